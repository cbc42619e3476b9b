"""Round after round on a simulated server: what the status file says at each moment."""

from __future__ import annotations

import logging

import pytest

from mlflow_triton.reconcile_log import LOGGER
from mlflow_triton.reconcile_loop import ReconcileLoop
from mlflow_triton.reconcile_status import Status
from triton_deploy_core.errors import (
    ControlModeError,
    RepositoryNotFoundError,
    ServerUnreachableError,
    StoreUnavailableError,
)
from triton_deploy_core.testing.simulator import ControlMode
from triton_deploy_core.testing.world import SimulatedWorld, version_package

GOOD = b"a"
BROKEN = b"broken no such op"


class Stop(BaseException):
    """As a signal ends a loop."""


class Site:
    """A server that came up empty, a loop, and what happens at which second of it."""

    def __init__(self, path, **options) -> None:
        self.world = SimulatedWorld()
        for name in "ab":
            self.world.service.create(name, version_package(GOOD, 1))
        self.world.server.restart()
        self.status_file = path / "status"
        self.events = {}
        self.seen = []
        self.loop = ReconcileLoop(
            self.world.service.reconciler(),
            status_file=self.status_file,
            clock=self,
            **options,
        )

    def watch(self, until: int, **events) -> list[bool | None]:
        """Run for so many seconds; return whether it was reconciled at each of them."""
        self.events = {int(key[1:]): event for key, event in events.items()}
        self.until = until
        with pytest.raises(Stop):
            self.loop.watch(3)
        return self.seen

    # The clock of the loop.

    def now(self) -> float:
        return self.world.clock.now()

    def monotonic(self) -> float:
        return self.world.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)
        known = self.status_file.exists()
        self.seen.append(Status.read(self.status_file).reconciled if known else None)
        if len(self.seen) == self.until:
            raise Stop
        self.events.get(len(self.seen), lambda: None)()


@pytest.fixture
def log(caplog, monkeypatch):
    monkeypatch.setattr(LOGGER, "propagate", True)
    logging.getLogger("mlflow_triton").propagate = True
    caplog.set_level(logging.INFO)
    return caplog


def test_one_round(tmp_path, log):
    site = Site(tmp_path)
    assert site.loop.once(wait=10)
    assert Status.read(site.status_file).reconciled
    told = log.messages
    assert told[:2] == ["a: repaired: loaded version 1", "b: repaired: loaded version 1"]
    assert told[2].startswith(
        "round=1 names=2 fine=0 repaired=2 busy=0 failed=0 unserved=0 ready=true seconds="
    )
    assert site.loop.once(wait=10)
    assert log.messages[3].startswith("round=2 names=2 fine=2 ")
    assert len(log.messages) == 4


def test_one_round_waits_for_a_server_and_not_for_ever(tmp_path, log):
    site = Site(tmp_path)
    site.world.server.kill()
    site.events = {3: site.world.server.restart}
    site.until = 1000
    assert site.loop.once(wait=10)
    assert site.seen == [False, False, False]
    assert sum("no connection" in text for text in log.messages) == 1
    site.world.server.kill()
    before = site.monotonic()
    with pytest.raises(ServerUnreachableError):
        site.loop.once(wait=10)
    assert site.monotonic() - before == pytest.approx(10)


def test_a_restart_shows_at_once_and_until_all_is_served_again(tmp_path):
    site = Site(tmp_path)
    world = site.world

    def die():
        world.server.kill()

    seen = site.watch(12, s2=die, s5=world.server.restart)
    assert seen == [True, True, False, False, False, *[True] * 7]
    assert world.serves("a") == {1: GOOD}


def test_a_restart_between_two_looks_shows_while_it_is_loading(tmp_path):
    site = Site(tmp_path)
    during = []

    def look(call):
        if call.method == "load":
            during.append(Status.read(site.status_file).reconciled)

    def restart():
        site.world.server.restart()
        site.world.server.before_call = look

    assert site.watch(6, s2=restart) == [True] * 6
    assert during == [False, False]


def test_a_model_that_fails_later_takes_no_server_away(tmp_path):
    site = Site(tmp_path)

    def break_a():
        site.world.store.seed({"c/mlflow-meta.json": b'{"name": "c"}'})

    assert site.watch(8, s2=break_a) == [True] * 8
    assert Status.read(site.status_file).why == "not served: c"


@pytest.mark.parametrize("tolerates", [False, True])
def test_a_model_that_fails_from_the_start(tmp_path, tolerates):
    site = Site(tmp_path, tolerate_failed=tolerates)
    site.world.store.seed({"a/1/model.onnx": BROKEN})
    assert site.watch(2) == [tolerates] * 2
    assert site.world.server.is_ready()


def test_a_repository_that_is_away_takes_no_server_away(tmp_path, log):
    site = Site(tmp_path)

    def away(moment):
        raise StoreUnavailableError("no answer")

    def cut():
        site.world.store.faults = away

    def mend():
        site.world.store.faults = None

    assert site.watch(20, s2=cut, s12=mend) == [True] * 20
    assert sum(text == "no answer" for text in log.messages) == 1


def test_a_server_in_another_mode_ends_it(tmp_path):
    site = Site(tmp_path)
    site.world.server.mode = ControlMode.NONE
    with pytest.raises(ControlModeError):
        site.loop.watch(3)
    with pytest.raises(ControlModeError):
        site.loop.once(wait=10)


def test_a_status_file_that_can_not_be_written_ends_nothing(tmp_path, log):
    site = Site(tmp_path / "nowhere")
    assert site.loop.once(wait=10)
    assert any("can't be written" in text for text in log.messages)


def test_names_are_told_of_when_something_changes(tmp_path, log):
    site = Site(tmp_path)
    site.world.store.seed({"a/1/model.onnx": BROKEN})
    site.watch(9)
    lines = [text for text in log.messages if not text.startswith("round=")]
    assert lines[0].startswith("a: failed: ")
    assert lines[1:] == [
        "b: repaired: loaded version 1",
        "a: a version that failed does not keep the server unready any more",
    ]
    assert sum(text.startswith("round=") for text in log.messages) == 3


def test_waiting_for_a_server_is_told_now_and_then(tmp_path, log):
    site = Site(tmp_path)
    site.world.server.kill()
    site.until = 1000
    with pytest.raises(ServerUnreachableError):
        site.loop.once(wait=65)
    told = [record.getMessage() for record in log.records if "waiting" in record.getMessage()]
    assert told == [f"waiting for the server, {left} s more (--wait)" for left in (65, 35, 5)]


def test_nobody_waits_for_a_server_where_there_is_no_repository(tmp_path):
    site = Site(tmp_path)
    site.world.server.kill()

    def gone(moment):
        raise RepositoryNotFoundError("no such bucket")

    site.world.new_process(gone)
    loop = ReconcileLoop(site.world.service.reconciler(), clock=site)
    with pytest.raises(RepositoryNotFoundError):
        loop.once(wait=300)
    assert site.seen == []
