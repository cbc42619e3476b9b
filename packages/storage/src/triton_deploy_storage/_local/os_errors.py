"""Errors of the operating system, as the store's own, each with what to do about it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TypeVar

from triton_deploy_core.errors import (
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.shown import shown

_T = TypeVar("_T")
_ATTEMPTS = 5
_PERMISSION = "give this user the permission, or run as its owner"
_IN_THE_WAY = "something else of that name is in the way; remove or rename it"

_REMEDIES: Mapping[int, tuple[type[StoreError], str]] = MappingProxyType(
    {
        errno.EACCES: (StoreAccessError, _PERMISSION),
        errno.EPERM: (StoreAccessError, _PERMISSION),
        errno.EROFS: (StoreAccessError, "mount the file system writable"),
        errno.ENOTDIR: (StoreAccessError, _IN_THE_WAY),
        errno.EISDIR: (StoreAccessError, _IN_THE_WAY),
        errno.EEXIST: (StoreAccessError, _IN_THE_WAY),
        errno.ENOTEMPTY: (StoreAccessError, _IN_THE_WAY),
        errno.ELOOP: (StoreAccessError, "remove the circle of symbolic links"),
        errno.ENAMETOOLONG: (StoreAccessError, "choose a shorter name"),
        errno.ENOSPC: (StoreUnavailableError, "free some space"),
        errno.EDQUOT: (StoreUnavailableError, "free some space or raise the quota"),
        errno.EFBIG: (StoreUnavailableError, "raise the file system's limit on a file's size"),
    }
)
_RETRY = "look at the file system, then try again"

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that tell of the place that is written to, never of the source."""

MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""Errors of a path that can't name a file that exists."""


def while_stale(read: Callable[[], _T]) -> _T:
    """Read a file again where NFS says that it was replaced meanwhile (ESTALE)."""
    for _ in range(_ATTEMPTS):
        with _stale_ignored():
            return read()
    return read()


@contextmanager
def _stale_ignored() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise


@contextmanager
def store_errors(root: str, action: str, path: str) -> Iterator[None]:
    """Raise a `StoreError` for what the operating system raises within the context.

    Args:
        root: the repository's directory: where it is gone, that is what the error says.
        action: the verb for the message.
        path: what the action is done to.
    """
    try:
        yield
    except OSError as error:
        raise _store_error(error, root, action, path) from error


def _store_error(error: OSError, root: str, action: str, path: str) -> StoreError:
    if _is_missing(root):
        return RepositoryNotFoundError(
            f"the model repository {shown(root)} is no directory: create it, or correct "
            "TRITON_MODEL_REPO"
        )
    number = error.errno if error.errno is not None else 0
    kind, remedy = _REMEDIES.get(number, (StoreUnavailableError, _RETRY))
    return kind(f"cannot {action} {shown(path)}: {error.strerror or error}; {remedy}")


def _is_missing(root: str) -> bool:
    try:
        return not stat.S_ISDIR(os.stat(root).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
