"""Reads a few places of a long file in few requests, wherever it is."""

from __future__ import annotations

from collections.abc import Callable

_FIRST_WINDOW = 16 << 10
_LAST_WINDOW = 4 << 20


class RangedReader:
    """The bytes of a file, fetched in windows that grow while reading goes on in order.

    A jump ahead fetches little, since it may be followed by another one.

    Args:
        fetch: takes an offset and a length, and returns so many bytes: less only at the end.
        size: of the file, in bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._window = b""
        self._start = 0
        self._next_window = _FIRST_WINDOW

    @property
    def size(self) -> int:
        """The size of the file, in bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return so many bytes, or what there is of them before the file ends."""
        length = min(length, self._size - offset)
        if not self._start <= offset <= offset + length <= self._start + len(self._window):
            self._move(offset, length)
        return self._window[offset - self._start : offset - self._start + length]

    def _move(self, offset: int, length: int) -> None:
        end = self._start + len(self._window)
        goes_on = self._start <= offset <= end
        kept = self._window[offset - self._start :] if goes_on else b""
        self._next_window = (
            min(2 * self._next_window, _LAST_WINDOW) if goes_on and end else _FIRST_WINDOW
        )
        wanted = max(length - len(kept), self._next_window)
        begin = offset + len(kept)
        self._window = kept + self._fetch(begin, min(wanted, self._size - begin))
        self._start = offset
