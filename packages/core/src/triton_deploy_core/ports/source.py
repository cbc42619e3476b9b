"""The port to where models come from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.ports.store import Source
from triton_deploy_core.problems import Problem


class ModelFiles(Protocol):
    """The files of a model, wherever they lie: on this machine or in a store.

    Paths are relative and POSIX. Whatever can't be read is a `ModelSourceError` or a `StoreError`.
    """

    @property
    def location(self) -> str:
        """Where they are, fit for messages."""
        ...

    def names(self) -> frozenset[str]:
        """Return the names of the files right in the root, not in a directory of it."""
        ...

    def find(self, path: str) -> Source | None:
        """Return where a file's bytes are, None where there is no such file.

        Raises:
            InvalidPackageError: it is a link that leaves the model.
        """
        ...

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, or a part of them: less only where the file ends.

        Raises:
            ModelSourceError: there is no such file.
        """
        ...

    def tree(self, directory: str) -> tuple[ModelTree[Source], Sequence[Problem]]:
        """Return all that is below a directory, and a problem for each entry that can't be used.

        Args:
            directory: relative; empty for the model's own.

        Raises:
            ModelSourceError: there is no such directory.
            InvalidPackageError: it is a link that leaves the model.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """Where a model's files are, and what is known of them.

    Attributes:
        uri: as its user wrote it.
        files: the model's directory. They may be the store's own: never change them.
        registry_version: the registry's version number, where the model came from one.
        resolved_uri: where `uri` may name another model tomorrow (an alias, ``latest``), the URI
            that names this one for good; else None.
        run_files: files that the user logged beside the model but that are not in `files`. None
            where there are none, or where the source keeps such files in `files` itself.
    """

    uri: str
    files: ModelFiles
    registry_version: int | None = None
    resolved_uri: str | None = None
    run_files: ModelFiles | None = None


class ModelSource(Protocol):
    """Finds models by URI."""

    def open(self, uri: str) -> AbstractContextManager[LocatedModel]:
        """Make a model's files readable for as long as the context lasts.

        Raises:
            ModelSourceError: there is no such model, or it can't be read.
        """
        ...
