"""A model's files on this machine or in a store: the two ways to be core's `ModelFiles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_tree import name_problem, read_tree
from triton_deploy_core.errors import InvalidPackageError, ModelSourceError
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.ports.store import Content, LocalFile, Source, StoredObject

if TYPE_CHECKING:
    from triton_deploy_core.ports.objects import ObjectReader
    from triton_deploy_core.ports.source import ModelFiles
    from triton_deploy_core.problems import Problem

MAX_SMALL_FILE = 16 << 20
"""Bytes of the longest MLmodel or config.pbtxt that is read; Triton's own limit is far below."""


@dataclass(frozen=True, slots=True)
class DirectoryFiles:
    """The files of a directory on this machine, read where they are."""

    directory: Path

    @property
    def location(self) -> str:
        """See `ModelFiles.location`."""
        return str(self.directory)

    def names(self) -> frozenset[str]:
        """See `ModelFiles.names`."""
        if not self.directory.is_dir():
            return frozenset()
        return frozenset(path.name for path in self.directory.iterdir() if path.is_file())

    def find(self, path: str) -> Source | None:
        """See `ModelFiles.find`."""
        file = self.directory / path
        if not file.is_file():
            return None
        return _local(self._inside(file, path))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `ModelFiles.read`."""
        return _read_local(self._inside(self.directory / path, path), offset, length)

    def tree(self, directory: str) -> tuple[ModelTree[Source], Sequence[Problem]]:
        """See `ModelFiles.tree`."""
        root = self.directory / directory
        if not root.is_dir():
            raise _missing_directory(directory)
        return read_tree(self._inside(root, directory))

    def _inside(self, file: Path, path: str) -> Path:
        if not file.resolve().is_relative_to(self.directory.resolve()):
            message = f"{path!r} is a link that leaves the model's directory. Log the file itself."
            raise InvalidPackageError(message)
        return file


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """Files that somebody listed, each with where its bytes are.

    Attributes:
        location: see `ModelFiles.location`.
        sources: relative path → where the bytes are.
        reader: reads those that are objects in a store.
    """

    location: str
    sources: Mapping[str, Source]
    reader: ObjectReader | None = None

    def names(self) -> frozenset[str]:
        """See `ModelFiles.names`."""
        return frozenset(path for path in self.sources if "/" not in path)

    def find(self, path: str) -> Source | None:
        """See `ModelFiles.find`."""
        return self.sources.get(path)

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `ModelFiles.read`."""
        match self.sources.get(path):
            case LocalFile(file):
                return _read_local(file, offset, length)
            case Content(data):
                return data[offset:] if length is None else data[offset : offset + length]
            case StoredObject() as stored if self.reader is not None:
                rest = stored.size - offset
                return self.reader.read(stored, offset, rest if length is None else length)
            case _:
                raise ModelSourceError(
                    f"{self.location} has no file {path!r}. Log the model again."
                )

    def tree(self, directory: str) -> tuple[ModelTree[Source], Sequence[Problem]]:
        """See `ModelFiles.tree`."""
        prefix = f"{directory}/" if directory else ""
        found = {
            path.removeprefix(prefix): source
            for path, source in self.sources.items()
            if path.startswith(prefix)
        }
        if not found:
            raise _missing_directory(directory)
        problems = {path: problem for path in sorted(found) if (problem := name_problem(path))}
        usable = {path: source for path, source in found.items() if path not in problems}
        return ModelTree.of_files(usable), list(problems.values())


def read_small(files: ModelFiles, path: str) -> bytes:
    """Return the whole of a file that has to be small.

    Raises:
        ModelSourceError: there is no such file, or it can't be read.
        InvalidPackageError: it is not small.
    """
    data = files.read(path, 0, MAX_SMALL_FILE + 1)
    if len(data) > MAX_SMALL_FILE:
        message = f"{path} is larger than {MAX_SMALL_FILE >> 20} MiB. Log the right file."
        raise InvalidPackageError(message)
    return data


def _local(path: Path) -> LocalFile:
    return LocalFile(path, path.stat().st_size)


def _read_local(path: Path, offset: int, length: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}. Log the model again."
        raise ModelSourceError(message) from error


def _missing_directory(directory: str) -> ModelSourceError:
    return ModelSourceError(
        f"The model has no directory {directory!r}, which its MLmodel file names. Log it again."
    )
