"""Who belongs to a fleet now: known once and for all, or asked again from time to time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from triton_deploy_core.clock import Clock, SystemClock
from triton_deploy_core.errors import DeployError
from triton_deploy_core.fleet.member import Member

REFRESH_SECONDS = 30.0
_AT_LEAST_SECONDS = 1.0

_logger = logging.getLogger(__name__)


class Membership:
    """The members of a fleet, for as long as requests go to it. Safe for several threads.

    Args:
        find: returns the members as they are now; raises a `DeployError` where nobody knows. A
            member that stays is to have the same server as before.
        clock: what time it is.
        seconds: how long the members are taken to stay what they were.

    Raises:
        DeployError: what `find` raises the first time; later, the members stay what they were.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Member]],
        *,
        clock: Clock | None = None,
        seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._find = find
        self._clock = clock or SystemClock()
        self._seconds = seconds
        self._asking = threading.Lock()
        self._members = tuple(find())
        self._asked_at = self._clock.monotonic()

    @classmethod
    def fixed(cls, members: Sequence[Member]) -> Membership:
        """Return one that never changes."""
        return cls(lambda: members, seconds=float("inf"))

    @property
    def known(self) -> Sequence[Member]:
        """The members that were found last: who reads them later has no older ones."""
        return self._members

    def now(self) -> Sequence[Member]:
        """Return the members, asked for again where that was long ago."""
        # One request asks; those beside it need not wait for that.
        if self._age() >= self._seconds and self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()
        return self._members

    def again(self) -> bool:
        """Ask at once, since no member could be reached; tell whether others are known since."""
        before = self._members
        with self._asking:
            if self._seconds < float("inf") and self._age() >= _AT_LEAST_SECONDS:
                self._ask()
        return self._members != before

    def _age(self) -> float:
        return self._clock.monotonic() - self._asked_at

    def _ask(self) -> None:
        try:
            self._members = tuple(self._find())
        except DeployError as error:
            _logger.warning("the servers stay those that were known before: %s", error)
        finally:
            self._asked_at = self._clock.monotonic()
