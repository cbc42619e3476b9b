"""Law 6: three writers on one name, any of whom may be paused and overtaken at any step."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from triton_deploy_core.errors import (
    DeploymentBusyError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    LeaseLostError,
    NoPreviousVersionError,
)
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import StoppedClock
from triton_deploy_core.testing.pause import Pause
from triton_deploy_core.testing.world import SimulatedWorld, version_package

REFUSED = (
    DeploymentBusyError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    NoPreviousVersionError,
)
LEASE = 61


@dataclass(frozen=True)
class Work:
    """An operation, at which of its steps it is paused, and what others do meanwhile.

    Attributes:
        is_long: whether the pause outlasts the lease.
        is_asleep: whether the paused one's own clock stands still.
    """

    what: str
    content: bytes
    step: int
    is_long: bool
    is_asleep: bool
    others: tuple[Work, ...]


def _work(others: st.SearchStrategy[Work] | None) -> st.SearchStrategy[Work]:
    inner = st.just(()) if others is None else st.lists(others, max_size=2).map(tuple)
    return st.builds(
        Work,
        st.sampled_from(["create", "update", "update", "delete", "rollback", "repair"]),
        st.sampled_from([b"a", b"b", b"c"]),
        st.integers(1, 14),
        st.booleans(),
        st.booleans(),
        inner,
    )


WORK = _work(_work(_work(None)))


def _carry_out(work: Work, service: DeploymentService) -> None:
    package = version_package(work.content, 1)
    {
        "create": lambda: service.create("iris", package),
        "update": lambda: service.update("iris", package),
        "delete": lambda: service.delete("iris"),
        "rollback": lambda: service.rollback("iris"),
        "repair": service.repair,
    }[work.what]()


class Writers(RuleBasedStateMachine):
    """A plain model beside them: what may be deployed after all that has happened."""

    @initialize(is_object_store=st.booleans())
    def begin(self, is_object_store: bool) -> None:
        self.world = SimulatedWorld(is_object_store=is_object_store)
        self.world.service.create("iris2", version_package(b"neighbour", 1))
        self.allowed: set[bytes | None] = {None}
        self.previous: set[bytes | None] = set()
        self.changes = 0

    @rule(work=WORK)
    def act(self, work: Work) -> None:
        self._do(work)
        # Whoever has been overtaken leaves what was begun to others.
        self.world.clock.advance(LEASE)
        self.world.new_service().repair()

    def _do(self, work: Work) -> None:
        clock = StoppedClock(self.world.clock)

        def meanwhile() -> None:
            with clock.standing_still() if work.is_asleep else nullcontext():
                self.world.clock.advance(LEASE if work.is_long else 0)
            hooks = [(server.before_call, server.after_call) for server in self.world.servers]
            for other in work.others:
                self._do(other)
            for server, (before, after) in zip(self.world.servers, hooks, strict=True):
                server.before_call, server.after_call = before, after

        service = self.world.paused_process(Pause(before=work.step, meanwhile=meanwhile), clock)
        before = self.changes
        outcome = {
            "delete": {None},
            "rollback": self.previous | self.allowed,
            "repair": self.allowed,
        }.get(work.what, {work.content})
        try:
            _carry_out(work, service)
        except LeaseLostError:
            assert work.is_long, work
            if self.changes == before:
                self.allowed = self.allowed | outcome
        except REFUSED:
            pass
        else:
            self._note(work, outcome)

    def _note(self, work: Work, outcome: set[bytes | None]) -> None:
        if work.what != "repair":
            self.previous = self.previous | self.allowed
            self.allowed = set(outcome)
            self.changes += 1

    @invariant()
    def what_serves_is_one_of_what_may(self) -> None:
        served = set(self.world.serves("iris").values()) or {None}
        assert len(served) == 1
        assert served <= self.allowed, (served, self.allowed)
        assert self.world.serves("iris2") == {1: b"neighbour"}
        assert self.world.unfinished() == []

    @invariant()
    def a_server_that_starts_serves_the_same(self) -> None:
        before = self.world.serves("iris")
        self.world.server.restart(load_all=True)
        assert self.world.serves("iris") == before
        assert self.world.server.is_ready()


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=60, stateful_step_count=6, deadline=None)
