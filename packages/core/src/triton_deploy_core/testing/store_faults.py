"""Faults for `MemoryStore`: a crash or an error at any moment of any call.

Each file that a call puts or deletes makes two **moments**, one right before it takes effect
and one right after; so does each read. A fault hook is told of every moment and may raise.
To try every moment that there is, count them once and then crash at each::

    counter = CountMoments()
    run(MemoryStore(files, faults=counter))
    for number in range(counter.count):
        store = MemoryStore(files, faults=CrashAt(number))
        with suppress(SimulatedCrash):
            run(store)
        check(store.survivor())
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from triton_deploy_core.errors import StoreError, StoreUnavailableError


@dataclass(frozen=True, slots=True)
class StoreCall:
    """One call of a store: the port's method, and the keys (or the prefix) that it was given."""

    method: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time within a call.

    Attributes:
        number: counts the moments of a store from 0.
        call: the call that is going on.
        key: the file that it is at; the prefix, for a listing.
        done: whether what the call does to that file has taken effect.
    """

    number: int
    call: StoreCall
    key: str
    done: bool

    @property
    def changes(self) -> bool:
        """Whether the call is one that changes the store."""
        return self.call.method in {"write", "transfer", "delete"}


class FaultHook(Protocol):
    """Called at every moment; may raise. It runs outside the store's lock."""

    def __call__(self, moment: Moment, /) -> None:
        """Let the moment pass, or raise."""
        ...


class SimulatedCrash(BaseException):
    """The process has died. No `Exception`, so that nothing that tidies up stops it."""


@dataclass(slots=True)
class CountMoments:
    """Raises nothing and keeps every moment."""

    moments: list[Moment] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many moments there were."""
        return len(self.moments)

    def __call__(self, moment: Moment, /) -> None:
        """See `FaultHook`."""
        self.moments.append(moment)


@dataclass(frozen=True, slots=True)
class CrashAt:
    """Dies at a moment, and stays dead: whatever runs after it can change nothing either."""

    number: int

    def __call__(self, moment: Moment, /) -> None:
        """See `FaultHook`."""
        if moment.number >= self.number:
            raise SimulatedCrash(f"crashed at moment {self.number}: {moment}")


def _unavailable() -> StoreError:
    return StoreUnavailableError("the repository cannot be reached: simulated, try again")


@dataclass(frozen=True, slots=True)
class FailAt:
    """Raises an error at some moments, `StoreUnavailableError` if no other is given."""

    numbers: frozenset[int]
    error: StoreError = field(default_factory=_unavailable)

    def __call__(self, moment: Moment, /) -> None:
        """See `FaultHook`."""
        if moment.number in self.numbers:
            raise self.error
