"""A model directory as a whole: its files, wherever their bytes are, and its directories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from triton_deploy_core.ports.store import Source

SourceT_co = TypeVar("SourceT_co", bound=Source, covariant=True)


@dataclass(frozen=True, slots=True)
class ModelTree(Generic[SourceT_co]):
    """The files and directories of a model's directory.

    Attributes:
        files: relative POSIX path → where the bytes are.
        directories: relative POSIX path of every directory below the root.
    """

    files: Mapping[str, SourceT_co]
    directories: frozenset[str]

    @classmethod
    def of_files(cls, files: Mapping[str, SourceT_co]) -> ModelTree[SourceT_co]:
        """Return the tree of a place that knows files only: an object store."""
        return cls(files, frozenset()).with_directories(map(_parent, files))

    @property
    def empty_directories(self) -> tuple[str, ...]:
        """The directories with nothing in them, sorted."""
        parents = {_parent(path) for path in (*self.files, *self.directories)}
        return tuple(sorted(self.directories - parents))

    def with_directories(self, paths: Iterable[str]) -> ModelTree[SourceT_co]:
        """Return the same tree with more (empty) directories, their parents included."""
        directories = set(self.directories)
        for path in paths:
            current = path
            while current:
                directories.add(current)
                current = _parent(current)
        return ModelTree(self.files, frozenset(directories))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
