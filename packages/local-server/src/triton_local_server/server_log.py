"""The server's log file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_BYTES = 64 * 1024
_USAGE = "Usage: tritonserver [options]\n"  # 400 lines that follow a wrong argument


class ServerLog:
    """The part of a log file that one run of the server wrote.

    Args:
        path: The file; what it held before is left alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = path.stat().st_size if path.exists() else 0
        self._kept: list[str] | None = None

    def tail(self, lines: int) -> list[str]:
        """Returns the last `lines` lines that are not empty."""
        if self._kept is not None:
            return self._kept[-lines:]
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(self._begin, size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return []
        told, _, _ = text.partition(_USAGE)
        return [line.rstrip() for line in told.splitlines() if line.strip()][-lines:]

    def keep(self) -> None:
        """Keeps the end of the log in memory, so that the file may be removed."""
        self._kept = self.tail(1000)
