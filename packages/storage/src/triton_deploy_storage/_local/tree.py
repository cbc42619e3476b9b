"""Directories: made when a file needs them, gone when they are empty."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from triton_deploy_core.keys import enclosing
from triton_deploy_storage._local.paths import STAGED
from triton_deploy_storage._local.staging import sweep

_ATTEMPTS = 100
_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


def make_directories(root: str, marker: str) -> list[str]:
    """Make a directory and those around it; return the new ones' paths, outermost first.

    Somebody may remove an empty directory at the same time: then it is made again.
    """
    made: list[str] = []
    for _ in range(_ATTEMPTS):
        try:
            for directory in [*reversed(list(enclosing(marker))), marker]:
                path = os.path.join(root, directory.removesuffix("/"))
                with suppress(FileExistsError):
                    os.mkdir(path)
                    made.append(path)
        except FileNotFoundError:
            if not os.path.isdir(root):
                raise
            continue
        break
    # Where a file is in the way, this is what says so.
    os.scandir(os.path.join(root, marker)).close()
    return made


def remove_new(directories: list[str]) -> None:
    """Take back directories that were made for nothing, those of them that are empty."""
    for path in reversed(directories):
        with suppress(OSError):
            os.rmdir(path)


def prune(root: str, marker: str) -> None:
    """Remove a directory and those around it, as far as only dead writers' files are in them."""
    for directory in [marker, *enclosing(marker)]:
        if not remove_empty(os.path.join(root, directory.removesuffix("/"))):
            return


def remove_empty(path: str) -> bool:
    """Remove a directory if it is empty, and tell whether it is gone."""
    try:
        if any(STAGED.fullmatch(name) is None for name in os.listdir(path)):
            return False
        sweep(path)
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in _NOT_EMPTY:
            return False
        raise
    return True


def is_directory(path: str) -> bool:
    """Tell whether a directory itself, no link to one, is at a path."""
    return os.path.isdir(path) and not os.path.islink(path)


def sync_directory(path: str) -> None:
    """Make what happened in a directory last. One that is gone needs nothing."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
