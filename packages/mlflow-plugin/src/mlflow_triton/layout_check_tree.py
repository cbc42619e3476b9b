"""A directory as it lies on a file system: what can be deployed of it, and what can't."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from triton_deploy_core.problems import Problem

MAX_PATH_BYTES = 1024
"""The longest key that S3 and GCS take, the model's name included; so a bound for paths in it."""


@dataclass(frozen=True, slots=True)
class ModelTree:
    """The files and directories of a model's directory.

    Attributes:
        files: relative POSIX path → where the bytes are (links are resolved).
        directories: relative POSIX path of every directory below the root.
    """

    files: Mapping[str, Path]
    directories: frozenset[str]

    @property
    def empty_directories(self) -> tuple[str, ...]:
        """The directories with nothing in them, sorted."""
        parents = {_parent(path) for path in (*self.files, *self.directories)}
        return tuple(sorted(self.directories - parents))

    def with_directories(self, paths: Iterable[str]) -> ModelTree:
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


def read_tree(root: Path) -> tuple[ModelTree, list[Problem]]:
    """Read a directory, following the symbolic links that stay inside of it.

    Returns:
        What can be deployed, and a problem for each entry that can't: links that leave the
        directory, lead nowhere or go in circles, sockets, pipes and devices, files that can't be
        read, and names that no repository takes.
    """
    reader = _Reader(root)
    reader.read_directory(reader.root, "")
    return ModelTree(reader.files, frozenset(reader.directories)), sorted(reader.problems, key=str)


class _Reader:
    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self.files: dict[str, Path] = {}
        self.directories: set[str] = set()
        self.problems: list[Problem] = []
        self._being_read: list[Path] = []

    def read_directory(self, directory: Path, path: str) -> None:
        try:
            names = sorted(entry.name for entry in directory.iterdir())
        except OSError as error:
            self._refuse(path or ".", f"can't be read: {error.strerror}", "check its permissions")
            return
        self._being_read.append(directory)
        for name in names:
            child = f"{path}/{name}" if path else name
            problem = _name_problem(child)
            if problem is not None:
                self.problems.append(problem)
            elif (directory / name).is_symlink():
                self._read_link(directory / name, child)
            else:
                self._read_entry(directory / name, child)
        self._being_read.pop()

    def _read_link(self, link: Path, path: str) -> None:
        target = Path(os.path.realpath(link))
        if not target.exists():
            self._refuse(path, "a symbolic link that leads nowhere", "remove it or mend its target")
        elif not target.is_relative_to(self.root):
            self._refuse(
                path,
                "a symbolic link that leaves the model's directory",
                "put a copy of its target in its place",
            )
        elif target in self._being_read:
            self._refuse(path, "a symbolic link that goes in circles", "remove it")
        else:
            self._read_entry(target, path)

    def _read_entry(self, entry: Path, path: str) -> None:
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            self._refuse(path, f"can't be read: {error.strerror}", "check its permissions")
            return
        if stat.S_ISDIR(mode):
            self.directories.add(path)
            self.read_directory(entry, path)
        elif not stat.S_ISREG(mode):
            self._refuse(path, "a socket, pipe or device, not a file", "remove it")
        elif not os.access(entry, os.R_OK):
            self._refuse(path, "can't be read: permission denied", "check its permissions")
        else:
            self.files[path] = entry

    def _refuse(self, path: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(path, message, remedy))


def _name_problem(path: str) -> Problem | None:
    name = path.rpartition("/")[2]
    remedy = "rename it"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return Problem(ascii(path), "the name is not UTF-8, so no object store takes it", remedy)
    if not name.isprintable() or "\\" in name:
        message = "the name has a backslash or a character that can't be printed"
        return Problem(ascii(path), message, remedy)
    if size > MAX_PATH_BYTES:
        return Problem(path, f"the path is longer than {MAX_PATH_BYTES} bytes", remedy)
    return None
