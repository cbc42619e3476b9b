"""The one lock of a repository, held by threads and processes for the moment of a change.

Its file also keeps a little space, so that a deployment can be deleted from a full disk: that
takes a lease and a configuration, some blocks in all, before anything is freed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.shown import shown
from triton_deploy_storage._local.paths import LOCK_FILE

PATIENCE = 30.0
"""Seconds after which a lock that somebody holds is given up."""

RESERVED_BYTES = 64 << 10
"""The space that the lock file keeps."""

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
        _reserve(descriptor)
        yield
    finally:
        os.close(descriptor)


def _reserve(descriptor: int) -> None:
    """Have the lock file keep its space. A disk that has none left tries the next time."""
    if os.fstat(descriptor).st_size < RESERVED_BYTES:
        with suppress(OSError):
            os.posix_fallocate(descriptor, 0, RESERVED_BYTES)


def give_way(root: str) -> bool:
    """Give the reserved space free for a write that found none; tell whether there was any."""
    try:
        descriptor = _open(os.path.join(root, LOCK_FILE))
    except OSError:
        return False
    try:
        had_some = os.fstat(descriptor).st_blocks > 0
        os.ftruncate(descriptor, 0)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return had_some


def now_on(root: str) -> float:
    """Return the time of the repository's file system, in seconds since the epoch.

    On NFS that is the server's clock, which has stamped all files. Where nothing can be touched,
    nothing can be taken over either: then this machine's clock is good enough.
    """
    try:
        return _touched(root)
    except PermissionError:  # the lock file is another user's
        with suppress(OSError), tempfile.TemporaryFile(dir=root) as file:
            return os.fstat(file.fileno()).st_ctime
    except OSError:
        pass
    return time.time()


def _touched(root: str) -> float:
    descriptor = _open(os.path.join(root, LOCK_FILE))
    try:
        os.utime(descriptor)
        return os.fstat(descriptor).st_ctime
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
