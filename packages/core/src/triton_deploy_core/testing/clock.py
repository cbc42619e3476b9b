"""A clock that moves only when it is told to, so that no test waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


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


class StoppedClock:
    """The time on a machine that stands still for a while, and does not notice.

    Args:
        clock: the true time.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._behind = 0.0

    def now(self) -> float:
        """See `Clock.now`."""
        return self._clock.now() - self._behind

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._clock.monotonic() - self._behind

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self._clock.sleep(seconds)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the true time pass within the context, and this one not."""
        began = self._clock.monotonic()
        yield
        self._behind += self._clock.monotonic() - began
