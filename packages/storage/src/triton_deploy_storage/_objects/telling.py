"""Tells progress of the bytes of a file, of each once, however often it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Telling:
    """What one file's upload calls with the size of each piece."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._lock = threading.Lock()
        self._sent = 0
        self._told = 0

    def __call__(self, size: int) -> None:
        """Take note that so many more bytes were sent."""
        with self._lock:
            self._sent += size
            new = max(self._sent - self._told, 0)
            self._told += new
        if new:
            self._advance(new)

    def start_again(self) -> None:
        """Take note that the file is sent from its beginning."""
        with self._lock:
            self._sent = 0
