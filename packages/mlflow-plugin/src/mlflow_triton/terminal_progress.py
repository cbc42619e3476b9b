"""Progress for those who watch: steps, and under them a line that fills with the bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_SECONDS_BETWEEN = 0.1
_MEGA = 1e6


class TerminalProgress:
    """Draws on a terminal.

    Args:
        stream: the terminal.
        clock: seconds that only grow.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._bar: ProgressBar[str] | None = None
        self._size = self._done = self._shown = 0
        self._began = self._drawn = 0.0

    def step(self, text: str) -> None:
        """See `Progress.step`."""
        with self._lock:
            self._finish()
            click.echo(text, file=self._stream)

    def total(self, size: int) -> None:
        """See `Progress.total`."""
        with self._lock:
            self._finish()
            self._size, self._done, self._shown = size, 0, 0
            self._began = self._drawn = self._clock()

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
        with self._lock:
            self._done += size
            now = self._clock()
            if self._done >= self._size or now - self._drawn >= _SECONDS_BETWEEN:
                self._drawn = now
                self._draw(now)

    def close(self) -> None:
        """Leave the line that is there."""
        with self._lock:
            self._finish()

    def _draw(self, now: float) -> None:
        if self._bar is None:
            if not self._size:
                return
            self._bar = click.progressbar(
                length=self._size,
                label=" ",
                file=self._stream,
                show_eta=False,
                show_percent=True,
                item_show_func=lambda text: text,
            )
            self._bar.__enter__()
        rate = self._done / max(now - self._began, 0.001)
        text = f"{self._done / _MEGA:.1f}/{self._size / _MEGA:.1f} MB  {rate / _MEGA:.1f} MB/s"
        self._bar.update(self._done - self._shown, text)
        self._shown = self._done

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


@contextmanager
def drawn_on(stream: TextIO) -> Iterator[TerminalProgress]:
    """Draw on a terminal as long as the context lasts."""
    progress = TerminalProgress(stream)
    try:
        yield progress
    finally:
        progress.close()
