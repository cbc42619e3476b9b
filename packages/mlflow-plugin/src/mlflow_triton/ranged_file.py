"""A long file as Python's libraries read one, wherever it is: for `zipfile`, say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_triton.ranged_reading import RangedReader


class RangedFile(io.RawIOBase):
    """A file that is open for reading, whose bytes are fetched as they are asked for.

    Args:
        reader: of the file.
    """

    def __init__(self, reader: RangedReader) -> None:
        super().__init__()
        self._reader = reader
        self._place = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file and return it; a place before the file is its start."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._reader.size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the file goes, and return how many bytes there were."""
        data = (
            self._reader.read(self._place, len(buffer)) if self._place < self._reader.size else b""
        )
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
