"""Things that failed, which are tried again ever more seldom."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from triton_deploy_core.clock import Clock

FIRST_SECONDS = 10.0
MOST_SECONDS = 600.0

_Why = TypeVar("_Why")


@dataclass(frozen=True, slots=True)
class _Failure(Generic[_Why]):
    cause: Hashable
    why: _Why
    again_at: float
    pause: float


class Patience(Generic[_Why]):
    """Remembers what failed, of what cause, and until when it is not to be tried again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[Hashable, _Failure[_Why]] = {}

    def failed(self, thing: Hashable, cause: Hashable, why: _Why) -> None:
        """Note a failure. Of the same cause, the pause is twice the last one."""
        before = self._failures.get(thing)
        pause = FIRST_SECONDS
        if before is not None and before.cause == cause:
            pause = min(2 * before.pause, MOST_SECONDS)
        again_at = self._clock.monotonic() + pause
        self._failures[thing] = _Failure(cause, why, again_at, pause)

    def waits(self, thing: Hashable, cause: Hashable) -> _Why | None:
        """Return why a thing failed, where it would be tried too early of the same cause."""
        failure = self._failures.get(thing)
        if failure is None or failure.cause != cause:
            return None
        return failure.why if self._clock.monotonic() < failure.again_at else None

    def forget(self, thing: Hashable) -> None:
        """It went well, or does not matter any more."""
        self._failures.pop(thing, None)

    def try_now(self) -> None:
        """Let everything be tried again at once."""
        now = self._clock.monotonic()
        self._failures = {
            thing: replace(failure, again_at=now, pause=FIRST_SECONDS / 2)
            for thing, failure in self._failures.items()
        }
