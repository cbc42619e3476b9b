"""Finds out whether a directory can be written without leaving a trace in it."""

from __future__ import annotations

import errno
import os

_NO_UNNAMED_FILES = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL})


def probe(directory: str) -> None:
    """Make a file that has no name, so that not even the directory's time changes.

    Where the file system has no such files, the permissions are asked instead.

    Raises:
        OSError: the directory is missing or can't be written.
    """
    os.scandir(directory).close()
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is not None:
        try:
            os.close(os.open(directory, unnamed | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            if error.errno not in _NO_UNNAMED_FILES:
                raise
        else:
            return
    effective = os.access in os.supports_effective_ids
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=effective):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)
