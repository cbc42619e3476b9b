"""The files that a user logged with an ONNX model, wherever MLflow put them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from triton_deploy_core.errors import InvalidPackageError

MLFLOW_TEXT_FILES = frozenset({"constraints.txt", "environment_variables.txt", "requirements.txt"})
"""``*.txt`` that MLflow itself writes into a model's directory: no labels."""


@dataclass(frozen=True, slots=True)
class LoggedFiles:
    """A model's directory and what was logged to its run beside it.

    Attributes:
        directory: the model's directory.
        run_files: relative name → local path. The directory's own files come first.
    """

    directory: Path
    run_files: Mapping[str, Path]

    def find(self, name: str) -> Path | None:
        """Return a file by its relative name, or None.

        Raises:
            InvalidPackageError: it is a link that leaves the model's directory.
        """
        path = self.directory / name
        if path.is_file():
            return _inside(path, self.directory)
        return self.run_files.get(name)

    def labels(self, named: Iterable[str]) -> dict[str, Path]:
        """Return the label files: those that are named, and any other ``*.txt`` of the user's."""
        found = {name: path for name in named if (path := self.find(name)) is not None}
        texts = {path.name for path in self.directory.glob("*.txt")}
        texts.update(name for name in self.run_files if name.endswith(".txt") and "/" not in name)
        for name in sorted(texts - MLFLOW_TEXT_FILES):
            path = self.find(name)
            if path is not None:
                found[name] = path
        return found

    def data_file(self, beside: Path, location: str) -> Path:
        """Return a file with external data.

        Args:
            beside: the directory of the model file.
            location: relative to it.

        Raises:
            InvalidPackageError: it is missing, or a link that leaves the model's directory.
        """
        path = beside / location
        if path.is_file():
            return _inside(path, self.directory)
        if location in self.run_files:
            return self.run_files[location]
        message = (
            f"The ONNX model keeps weights in {location!r}, and that file is missing. "
            "Log the model again with its data files."
        )
        raise InvalidPackageError(message)


def _inside(path: Path, directory: Path) -> Path:
    if not path.resolve().is_relative_to(directory.resolve()):
        message = f"{path.name!r} is a link that leaves the model's directory. Log the file itself."
        raise InvalidPackageError(message)
    return path
