"""A lock between processes that a dying holder gives back."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_SECONDS = 0.1


@contextmanager
def file_lock(path: Path, timeout: float, on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive lock on `path` (created where missing, never removed).

    The kernel releases it when the holder ends, however it ends.

    Args:
        path: The lock file.
        timeout: Seconds to wait for another holder.
        on_wait: Called once, if there is another holder.

    Raises:
        TimeoutError: Another process held it all the time.
    """
    deadline = time.monotonic() + timeout
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        waiting = False
        while not _try_lock(descriptor):
            if not waiting:
                waiting = True
                on_wait()
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another process has held {path} for {timeout:g} s")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
