"""A transfer that takes too long ends: by its progress, which every adapter tells of each piece."""

from __future__ import annotations

from triton_deploy_core.clock import Clock, Deadline
from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.progress import Progress

SLOWEST_BYTES_PER_SECOND = 5_000_000
"""A transfer that is as slow as this all the time is still waited for, however large it is."""


class TimedProgress:
    """Passes on what it is told, and ends a transfer that has not ended in time.

    Args:
        progress: told of everything.
        clock: where time comes from.
        seconds: what a transfer may take beside what its size takes at the slowest rate.
    """

    def __init__(self, progress: Progress, clock: Clock, seconds: float) -> None:
        self._progress = progress
        self._clock = clock
        self._seconds = seconds
        self._allowed = seconds
        self._deadline = Deadline.after(seconds, clock)

    def step(self, text: str) -> None:
        """See `Progress.step`."""
        self._progress.step(text)

    def total(self, size: int) -> None:
        """See `Progress.total`. The time of the transfer begins."""
        self._allowed = self._seconds + size / SLOWEST_BYTES_PER_SECOND
        self._deadline = Deadline.after(self._allowed, self._clock)
        self._progress.total(size)

    def advance(self, size: int) -> None:
        """See `Progress.advance`.

        Raises:
            StoreUnavailableError: the time is over.
        """
        self._progress.advance(size)
        if self._deadline.passed:
            raise StoreUnavailableError(
                f"The transfer to the model repository was not over after {self._allowed:.0f} s. "
                "See what slows the connection down, or allow more time (timeout)."
            )
