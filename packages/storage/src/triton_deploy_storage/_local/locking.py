"""The one lock of a repository, held by threads and processes for the moment of a change."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.shown import shown
from triton_deploy_storage._local.paths import LOCK_FILE

PATIENCE = 30.0
"""Seconds after which a lock that somebody holds is given up."""

_FIRST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.02


def try_lock(descriptor: int) -> bool:
    """Take the advisory lock of an open file, and tell whether that was possible at once."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive(root: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the repository's lock, an advisory one on a plain file in the root.

    Triton takes only directories for models. The file stays: an entry of the root that vanishes
    while Triton lists it fails Triton's listing. The system releases the lock of a process that
    dies.

    Raises:
        StoreUnavailableError: somebody held it for longer than `patience` seconds.
    """
    path = os.path.join(root, LOCK_FILE)
    # Opened each time: processes that fork would share a lock on a descriptor that they share.
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"{shown(path)} was locked by another process for {patience:g} s: "
                    "see what it is doing (fuser names it), then try again"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        # A lock file of another user serves as well, as long as it can be read.
        if error.errno not in {errno.EACCES, errno.EPERM} or not os.path.lexists(path):
            raise
        return os.open(path, flags | os.O_RDONLY)
