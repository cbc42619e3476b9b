"""A clock that moves only when it is told to, so that no test waits."""

from __future__ import annotations

import threading


class FakeClock:
    """A `Clock` whose `sleep` returns at once and moves the time on.

    Args:
        start: the wall clock's time at first, in seconds since the epoch.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> float:
        """See `Clock.now`."""
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        """See `Clock.monotonic`. It starts at zero."""
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds and note it in `sleeps`.

        Raises:
            ValueError: `seconds` is negative, as `time.sleep` has it.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        with self._lock:
            self._elapsed += seconds
            self.sleeps.append(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody having slept.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self._elapsed += seconds
