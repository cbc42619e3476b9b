"""The files that a user logged with an ONNX model, wherever MLflow put them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_triton.model_files import read_small
from triton_deploy_core.errors import InvalidPackageError, ModelSourceError
from triton_deploy_core.layout import is_named_config
from triton_deploy_core.ports.store import Content, Source

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_CONFIGS = "configs"

MLFLOW_TEXT_FILES = frozenset({"constraints.txt", "environment_variables.txt", "requirements.txt"})
"""``*.txt`` that MLflow itself writes into a model's directory: no labels."""


@dataclass(frozen=True, slots=True)
class LoggedFiles:
    """A model's directory and what was logged to its run beside it.

    Methods raise `InvalidPackageError` for a link that leaves the model's directory.

    Attributes:
        own: the model's directory, whose files come first.
        run_files: those of the run, where there are any.
    """

    own: ModelFiles
    run_files: ModelFiles | None

    def find(self, path: str) -> Source | None:
        """Return where a file's bytes are, or None."""
        return next((found for files in self._all() if (found := files.find(path))), None)

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, or None."""
        for files in self._all():
            if files.find(path) is not None:
                return read_small(files, path)
        return None

    def labels(self, named: Iterable[str]) -> dict[str, Source]:
        """Return the label files: those that are named, and any other ``*.txt`` of the user's."""
        names = {name for files in self._all() for name in files.names() if name.endswith(".txt")}
        wanted = [*named, *sorted(names - MLFLOW_TEXT_FILES)]
        return {name: found for name in wanted if (found := self.find(name)) is not None}

    def named_configs(self) -> dict[str, Source]:
        """Return the configurations for kinds of hardware, ``configs/<name>.pbtxt``, as content."""
        found: dict[str, Source] = {}
        for files in reversed(self._all()):
            with suppress(ModelSourceError):
                paths = (f"{_CONFIGS}/{path}" for path in files.tree(_CONFIGS)[0].files)
                named = sorted(filter(is_named_config, paths))
                found |= {path: Content(read_small(files, path)) for path in named}
        return found

    def data_file(self, model_file: str, location: str) -> Source:
        """Return where a file with external data is.

        Args:
            model_file: the path of the model file.
            location: relative to its directory.

        Raises:
            InvalidPackageError: it is missing.
        """
        found = self.own.find(posixpath.join(posixpath.dirname(model_file), location))
        if found is None and self.run_files is not None:
            found = self.run_files.find(location)
        if found is not None:
            return found
        message = (
            f"The ONNX model keeps weights in {location!r}, and that file is missing. "
            "Log the model again with its data files."
        )
        raise InvalidPackageError(message)

    def _all(self) -> tuple[ModelFiles, ...]:
        return (self.own,) if self.run_files is None else (self.own, self.run_files)
