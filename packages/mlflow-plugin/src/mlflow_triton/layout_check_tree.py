"""A directory as it lies on a file system: what can be deployed of it, and what can't."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.ports.store import LocalFile
from triton_deploy_core.problems import Problem

MAX_PATH_BYTES = 1024
"""The longest key that S3 and GCS take, the model's name included; so a bound for paths in it."""


def read_tree(root: Path) -> tuple[ModelTree[LocalFile], list[Problem]]:
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
        self.files: dict[str, LocalFile] = {}
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
            problem = name_problem(child)
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
            status = entry.stat()
        except OSError as error:
            self._refuse(path, f"can't be read: {error.strerror}", "check its permissions")
            return
        if stat.S_ISDIR(status.st_mode):
            self.directories.add(path)
            self.read_directory(entry, path)
        elif not stat.S_ISREG(status.st_mode):
            self._refuse(path, "a socket, pipe or device, not a file", "remove it")
        elif not os.access(entry, os.R_OK):
            self._refuse(path, "can't be read: permission denied", "check its permissions")
        else:
            self.files[path] = LocalFile(entry, status.st_size)

    def _refuse(self, path: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(path, message, remedy))


def name_problem(path: str) -> Problem | None:
    """Return what is wrong with a path as a name, None where every repository takes it."""
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
