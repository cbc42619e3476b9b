"""Files in the making: written under a name of their own, then put in their place in one step.

They lie beside their target, so that a rename is enough, under a hidden name that is no version
to Triton. Whoever writes one holds its lock; a lock that can be taken tells that its writer died,
and then anybody may remove the file.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass

from triton_deploy_storage._local.locking import try_lock
from triton_deploy_storage._local.paths import STAGED

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file in the making, open for writing."""

    descriptor: int
    path: str

    def finish(self) -> None:
        """Make what was written last, stamped with the time to the nanosecond."""
        now = time.time_ns()
        os.utime(self.descriptor, ns=(now, now))
        os.fsync(self.descriptor)

    def replace(self, target: str) -> None:
        """Put the file in its place, in one step, whatever file was there."""
        os.replace(self.path, target)

    def appear(self, target: str) -> bool:
        """Put the file in its place, in one step, only where nothing is; tell whether it was so.

        The caller holds the repository's lock, for file systems without hard links.
        """
        try:
            os.link(self.path, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            if os.path.lexists(target):
                return False
            os.replace(self.path, target)
        return True


def create(directory: str, mode: int) -> StagedFile:
    """Make a file in a directory that exists.

    Args:
        directory: where its target is.
        mode: permissions, of which the umask takes its part.
    """
    while True:
        path = os.path.join(directory, f".triton-deploy-{uuid.uuid4().hex}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        staged = StagedFile(os.open(path, flags, mode), path)
        try:
            # A sweep may have come between the two steps: then it has the lock, or had it.
            if try_lock(staged.descriptor) and os.fstat(staged.descriptor).st_nlink:
                return staged
        except BaseException:
            discard(staged)
            raise
        os.close(staged.descriptor)


def discard(staged: StagedFile) -> None:
    """Close a file; remove it unless it was put in place."""
    with suppress(FileNotFoundError):
        os.unlink(staged.path)
    os.close(staged.descriptor)


def write_all(target: int, data: bytes) -> None:
    """Write all of the bytes into an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def sweep(directory: str) -> None:
    """Remove the unfinished files that writers who died have left in a directory.

    What can't be removed now harms nobody: the next sweep comes by.
    """
    with suppress(OSError):
        for name in os.listdir(directory):
            if STAGED.fullmatch(name):
                with suppress(OSError):
                    _remove_if_left(os.path.join(directory, name))


def _remove_if_left(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if try_lock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)
