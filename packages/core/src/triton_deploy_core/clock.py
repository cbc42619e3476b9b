"""Time as the core sees it: a clock that tests can replace, and deadlines made from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

POLL_SECONDS = 0.02
_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Where the core gets its time from."""

    def now(self) -> float:
        """Return the wall clock's time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`. On Linux it counts the time that the machine was suspended."""
        return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment after which nobody waits any longer."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """Make the deadline that passes in so many seconds from now."""
        return cls(clock, clock.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds left, zero when the deadline has passed."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining() <= 0.0

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Poll until the condition holds; tell whether it did before the deadline passed."""
        pause = POLL_SECONDS
        while not condition():
            if self.passed:
                return False
            self.clock.sleep(min(pause, self.remaining()))
            pause = min(pause * 1.5, 1.0)
        return True
