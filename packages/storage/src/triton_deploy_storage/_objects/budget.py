"""How many bytes a transfer may hold in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """A number of bytes, lent out to threads; who asks for more than is left waits."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._changed = threading.Condition()

    @contextmanager
    def lending(self, size: int) -> Iterator[None]:
        """Lend so many bytes, all there are at most, for as long as the context lasts."""
        size = min(size, self._size)
        with self._changed:
            while self._left < size:
                self._changed.wait()
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()
