"""Progress for those who watch: a line a step, which fills with bytes and ends with its time."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

_SECONDS_BETWEEN = 0.1
_TICK_SECONDS = 1.0
_MEGA = 1e6
_BAR = 20
_CLEAR = "\r\x1b[2K"
_GREEN, _RED, _FAINT, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


class TerminalProgress:
    """Draws on a terminal.

    Colours are left out where ``NO_COLOR`` is set (https://no-color.org).

    Args:
        stream: the terminal.
        clock: seconds that only grow.
        tick: seconds between two drawings of a step of which nothing is heard; 0 for none.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        tick: float = _TICK_SECONDS,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._tick = tick
        self._colours = not os.environ.get("NO_COLOR")
        self._marks = ("✓", "✗", "…") if _can_show(stream, "✓✗…") else ("*", "x", "...")
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._text = ""
        self._size = self._done = 0
        self._began = self._transfer_began = self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._tick:
            threading.Thread(target=self._keep_drawing, name="progress", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._lock:
            self._end(is_well=kind is None)

    def step(self, text: str) -> None:
        """See `Progress.step`."""
        with self._lock:
            self._end()
            self._text = text.rstrip(" …")
            self._size = self._done = 0
            self._began = self._clock()
            self._draw(self._began)

    def total(self, size: int) -> None:
        """See `Progress.total`."""
        with self._lock:
            self._size, self._done = size, 0
            self._transfer_began = self._drawn = self._clock()

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
        with self._lock:
            self._done += size
            now = self._clock()
            if self._done >= self._size or now - self._drawn >= _SECONDS_BETWEEN:
                self._draw(now)

    def _keep_drawing(self) -> None:
        while not self._over.wait(self._tick):
            with self._lock:
                now = self._clock()
                if self._text and now - self._drawn >= self._tick:
                    self._draw(now)

    def _draw(self, now: float) -> None:
        if not self._text:
            return
        self._drawn = now
        tail = self._bytes(now) if self._size else self._seconds(now - self._began, least=1.0)
        line = f"  {self._text} {self._marks[2]}{tail}"
        # The cursor waits at the beginning: what others write goes over the line, not behind it.
        self._write(f"{_CLEAR}{self._fitting(line)}\r")

    def _end(self, *, is_well: bool = True) -> None:
        if not self._text:
            return
        mark, colour = (self._marks[0], _GREEN) if is_well else (self._marks[1], _RED)
        tail = self._seconds(self._clock() - self._began, least=0.1)
        text = self._fitting(f"  {self._text}{tail}")[2:]
        body = text.removesuffix(tail)
        faint = text[len(body) :]
        self._write(f"{_CLEAR}{self._in(colour, mark)} {body}{self._in(_FAINT, faint)}\n")
        self._text = ""

    def _bytes(self, now: float) -> str:
        share = min(1.0, self._done / self._size)
        filled = int(share * _BAR)
        rate = self._done / max(now - self._transfer_began, 0.001)
        return (
            f"  [{'#' * filled}{'-' * (_BAR - filled)}] {share:.0%}  "
            f"{self._done / _MEGA:.1f}/{self._size / _MEGA:.1f} MB  {rate / _MEGA:.1f} MB/s"
        )

    @staticmethod
    def _seconds(seconds: float, *, least: float) -> str:
        return f"  {seconds:.1f} s" if seconds >= least else ""

    def _fitting(self, line: str) -> str:
        return line[: max(20, shutil.get_terminal_size().columns - 1)]

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours and text else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
