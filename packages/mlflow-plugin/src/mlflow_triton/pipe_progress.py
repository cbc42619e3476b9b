"""Progress for those who read the output of a command later: a line with its time, if it lasts."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

_TELL_SECONDS = 5.0


class PipeProgress:
    """Writes a line for a step that lasts, and one when that ends: quick steps are not worth any.

    Args:
        stream: where to.
        after: seconds that a step lasts before it is told of.
    """

    def __init__(self, stream: TextIO, *, after: float = _TELL_SECONDS) -> None:
        self._stream = stream
        self._after = after
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._text = ""
        self._began = 0.0
        self._is_told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._end(is_well=kind is None)

    def step(self, text: str) -> None:
        """See `Progress.step`."""
        with self._lock:
            self._end()
            self._text, self._began = text.rstrip(" …"), time.monotonic()
            self._timer = threading.Timer(self._after, self._tell, (self._text,))
            self._timer.daemon = True
            self._timer.start()

    def total(self, size: int) -> None:
        """See `Progress.total`."""

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""

    def _tell(self, text: str) -> None:
        with self._lock:
            if text == self._text:
                self._is_told = True
                self._write(f"{text} …")

    def _end(self, *, is_well: bool = True) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_told and is_well:
            self._write(f"{self._text}: done in {time.monotonic() - self._began:.1f} s")
        self._text, self._is_told = "", False

    def _write(self, text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._stream.write(f"{now} {text}\n")
        self._stream.flush()
