"""The port to where models come from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model's files on this machine, and what is known of them.

    Attributes:
        uri: as its user wrote it.
        path: the model's directory. It may be the store's own place: never change it.
        registry_version: the registry's version number, where the model came from one.
        resolved_uri: where `uri` may name another model tomorrow (an alias, ``latest``), the URI
            that names this one for good; else None.
        run_files: files that the user logged beside the model but that are not in `path`: name →
            where the file is on this machine. Empty where there are none, or where the source
            keeps such files in `path` itself.
    """

    uri: str
    path: Path
    registry_version: int | None = None
    resolved_uri: str | None = None
    run_files: Mapping[str, Path] = field(default_factory=dict)


class ModelSource(Protocol):
    """Finds models by URI."""

    def open(self, uri: str) -> AbstractContextManager[LocatedModel]:
        """Make a model's files readable for as long as the context lasts.

        Raises:
            ModelSourceError: there is no such model, or it can't be read.
        """
        ...
