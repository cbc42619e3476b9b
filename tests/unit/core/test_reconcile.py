"""A server is brought to what the records say, whatever happened to it and to the repository."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    ServerUnreachableError,
    StoreAccessError,
    StoreUnavailableError,
)
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.lease import LeaseRecord, holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.repairing import Outcome
from triton_deploy_core.rounds import Loss
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

POLICY = b'backend: "onnxruntime"\nversion_policy { all {} }\n'


@pytest.fixture
def world():
    world = SimulatedWorld({"theirs/1/model.onnx": b"theirs", ".hidden/x": b"", ".notes": b""})
    for name in "ab":
        world.service.create(name, version_package(name.encode(), 1))
    return world


@pytest.fixture
def replica(world):
    return Replica(world)


class Replica:
    """Another server that reads the same repository, and what reconciles it."""

    def __init__(self, world: SimulatedWorld, *names: str) -> None:
        self.server = SimulatedTriton(world.store, clock=world.clock, url="replica:8000")
        self.service = DeploymentService(
            world.store,
            Fleet([Member(self.server, frozenset(names))]) if names else self.server,
            SimpleConfigFormat(),
            clock=world.clock,
            timeout=60.0,
        )
        self.reconciler = self.service.reconciler()

    def round(self) -> dict[str, str]:
        """Return what a round says: name → outcome and what was done."""
        self.last = self.reconciler.round()
        return {
            report.name: ": ".join([report.outcome.value, *report.done])
            for report in self.last.reports
        }

    def serves(self, name: str) -> list[bytes]:
        return [files[f"{number}/model.onnx"] for number, files in self.server.served(name).items()]

    def loads(self) -> int:
        return sum(call.method == "load" for call in self.server.calls)


def test_an_empty_server_gets_everything_that_is_recorded_and_nothing_else(world, replica):
    before = world.store.snapshot()
    assert replica.round() == dict.fromkeys("ab", "repaired: loaded version 1")
    assert replica.last.is_settled
    assert replica.last.is_ready
    assert replica.last.unserved == frozenset()
    assert (replica.serves("a"), replica.serves("b")) == ([b"a"], [b"b"])
    assert replica.server.served("theirs") == {}
    assert replica.round() == {"a": "fine", "b": "fine"}
    assert replica.loads() == 2
    assert world.store.snapshot() == before


def test_a_server_that_serves_all_is_left_alone(world, replica):
    """A load would bring all up anew, as the record is newer than the load of a create."""
    for _ in range(2):
        reconciler = world.service.reconciler()
        calls = len(world.server.calls)
        assert reconciler.round().is_settled
        world.service.update("a", version_package(b"a2", 2))
        calls = len(world.server.calls)
        assert reconciler.round().is_settled
        assert not any(call.method == "load" for call in world.server.calls[calls:])


def test_an_update_that_was_seen_under_way_is_loaded_by_who_made_it_alone(world):
    reconciler = world.service.reconciler()
    reconciler.round()
    seen = []

    def look(call):
        if call.method == "load" and not seen:
            seen.append(reconciler.round().count(Outcome.BUSY))

    world.server.after_call = look
    world.service.update("a", version_package(b"a2", 2))
    world.server.after_call = None
    calls = len(world.server.calls)
    assert reconciler.round().is_settled
    assert seen == [1]
    assert not any(call.method == "load" for call in world.server.calls[calls:])


def test_versions_that_others_deployed_come_and_those_deleted_go(world, replica):
    replica.round()
    world.service.update("a", version_package(b"a2", 2))
    world.service.delete("b")
    world.service.create("c", version_package(b"c", 1))
    assert replica.round() == {
        "a": "repaired: loaded version 2",
        "b": "repaired: unloaded it",
        "c": "repaired: loaded version 1",
    }
    assert [replica.serves(name) for name in "abc"] == [[b"a2"], [], [b"c"]]
    assert replica.round() == {"a": "fine", "c": "fine"}


def test_files_that_changed_in_place_are_loaded_again(world, replica):
    world.service.create("t", tree_package({"config.pbtxt": POLICY, "1/model.onnx": b"one"}))
    replica.round()
    world.clock.advance(5)
    world.service.update("t", tree_package({"config.pbtxt": POLICY, "1/model.onnx": b"ONE"}))
    done = "repaired: loaded version 1 again, as its files have changed"
    assert replica.round() == {"a": "fine", "b": "fine", "t": done}
    assert replica.serves("t") == [b"ONE"]


def test_a_server_that_was_told_of_an_update_that_was_undone_goes_back(world, replica):
    """The files are as they were when they were loaded, but the server has loaded others since."""
    world.service.create("t", tree_package({"config.pbtxt": POLICY, "1/model.onnx": b"one"}))
    replica.round()
    counter = CountMoments()
    saved = world.store.snapshot()
    world.new_process(counter)
    world.service.update("t", tree_package({"config.pbtxt": POLICY, "1/model.onnx": b"ONE"}))
    for number in range(counter.count):
        one = SimulatedWorld(saved)
        other = Replica(one)
        other.round()
        one.clock.advance(5)
        one.new_process(CrashAt(number))
        with pytest.raises(SimulatedCrash):
            one.service.update("t", tree_package({"config.pbtxt": POLICY, "1/model.onnx": b"ONE"}))
        one.new_process()
        other.server.load("t", timeout=9)  # as the update of a fleet would have
        other.round()
        one.clock.advance(61)
        one.service.repair()
        one.clock.advance(5)
        other.server.store = one.store
        other.round()
        other.round()
        recorded = one.store.snapshot()["t/1/model.onnx"]
        assert other.serves("t") == [recorded], number


def test_what_somebody_is_at_work_on_is_left_alone_until_that_is_over(world, replica):
    with holding(world.store, DeploymentName("a"), "update", clock=world.clock):
        assert replica.round() == {"a": "busy", "b": "repaired: loaded version 1"}
        assert not any(call.name == "a" and call.method == "load" for call in replica.server.calls)
        assert replica.last.unserved == {"a"}
        assert not replica.last.is_settled
        (busy,) = (report for report in replica.last.reports if report.name == "a")
        assert "Another update of 'a' is under way" in str(busy.error)
    assert replica.round() == {"a": "repaired: loaded version 1", "b": "fine"}


def test_who_is_only_being_created_does_not_count_as_unserved(world, replica):
    with holding(world.store, DeploymentName("new"), "create", clock=world.clock):
        assert replica.round()["new"] == "busy"
        assert replica.last.unserved == frozenset()


def test_loading_keeps_nobody_from_an_update(world, replica):
    """It takes no lease, and ends as the update does."""

    def update(call):
        if call.method == "load" and call.name == "a":
            replica.server.before_call = None
            world.service.update("a", version_package(b"a2", 2))

    replica.server.before_call = update
    replica.round()
    replica.round()
    assert replica.serves("a") == [b"a2"]
    assert replica.round() == {"a": "fine", "b": "fine"}


def test_a_delete_in_the_middle_of_a_load_is_made_good(world, replica):
    """Where it had been unloaded, and its files were not gone yet."""

    def delete(call):
        if call.method == "load" and call.name == "a":
            replica.server.after_call = None
            world.service.delete("a")

    replica.server.after_call = delete
    replica.round()
    assert replica.serves("a") == [b"a"]
    assert replica.round() == {"a": "repaired: unloaded it", "b": "fine"}
    assert replica.serves("a") == []


def test_what_was_interrupted_is_taken_back_when_its_lease_has_run_out(world):
    world.new_process(CrashAt(14))
    with pytest.raises(SimulatedCrash):
        world.service.create("c", version_package(b"c", 1))
    world.new_process()
    world.move_holder("c")
    replica = Replica(world)
    assert replica.round()["c"] == "busy"
    world.clock.advance(61)
    assert replica.round()["c"] == "repaired: took back an operation that was interrupted"
    assert "c" not in replica.round()
    assert world.unfinished() == []


def test_a_stale_lease_alone_is_given_up(world, replica):
    now = world.clock.now()
    dead = LeaseRecord("x", "update", "t", now - 120, now - 60)
    long = DeploymentName("n" * 250)
    world.service.create(str(long), version_package(b"l", 1))
    for name in (DeploymentName("a"), long):
        world.store.seed({journal_key(name): dead.encode()})
    world.clock.advance(61)
    replica.round()
    assert world.unfinished() == []
    assert set(replica.round().values()) == {"fine"}
    assert replica.serves(str(long)) == [b"l"]


def test_one_that_fails_keeps_no_other_from_being_served_and_the_server_stays_ready(world, replica):
    world.store.seed({"a/1/model.onnx": b"broken no such op"})
    world.store.seed({"bad/mlflow-meta.json": b"{"})
    world.store.seed({"none/mlflow-meta.json": b'{"name": "none"}', "none/config.pbtxt": b""})
    assert replica.round() == {
        "a": "failed",
        "b": "repaired: loaded version 1",
        "bad": "failed",
        "none": "failed",
    }
    reasons = {report.name: str(report.error) for report in replica.last.reports}
    assert "no such op" in reasons["a"]
    assert "can't be read" in reasons["bad"]
    assert "no version that its config.pbtxt picks" in reasons["none"]
    assert replica.last.unserved == {"a", "bad", "none"}
    assert replica.last.is_ready
    assert replica.server.is_ready()


def test_what_failed_is_tried_ever_more_seldom_and_at_once_when_it_has_changed(world, replica):
    world.store.seed({"a/1/model.onnx": b"broken no such op"})
    replica.round()
    tried = []
    for second in range(100):
        loads = replica.loads()
        assert replica.round()["a"] == "failed"
        if replica.loads() > loads:
            tried.append(second)
        world.clock.advance(1)
    assert 2 <= len(tried) <= 4
    assert replica.server.is_ready()
    world.store.seed({"a/1/model.onnx": b"mended"})
    assert replica.round()["a"] == "repaired: loaded version 1"
    assert replica.serves("a") == [b"mended"]


def test_a_restarted_server_is_noticed_and_gets_all_again_what_failed_too(world, replica):
    world.service.create("c", version_package(b"c", 1))
    world.store.seed({"c/1/model.onnx": b"broken"})
    replica.round()
    assert replica.reconciler.loss() is Loss.NONE
    replica.server.unload("b", timeout=9)
    world.clock.advance(5)
    replica.server.load("b", timeout=9)
    assert replica.reconciler.loss() is Loss.NONE
    replica.server.restart()
    assert replica.reconciler.loss() is Loss.ALL
    asked = [call.name for call in replica.server.calls if call.method == "load"].count("c")
    assert replica.round() == {
        "a": "repaired: loaded version 1",
        "b": "repaired: loaded version 1",
        "c": "failed",
    }
    assert [call.name for call in replica.server.calls if call.method == "load"].count("c") > asked


def test_a_model_that_the_server_lost_alone(world, replica):
    replica.round()
    for name in "ab":
        replica.server.unload(name, timeout=9)
        world.clock.advance(5)
        assert replica.reconciler.loss() is Loss.SOME or name == "a"
        assert replica.round()[name] == "repaired: loaded version 1"


def test_readiness_that_somebody_else_lost_is_healed_beside_what_serves(world, replica):
    """A version that failed on this server, while its update was taken back in the repository."""
    replica.round()
    world.store.seed({"a/2/model.onnx": b"broken", "a/config.pbtxt": POLICY})
    with pytest.raises(LoadFailedError):
        replica.server.load("a", timeout=9)
    assert not replica.server.is_ready()
    world.store.delete(["a/2/model.onnx"])
    world.clock.advance(5)
    replica.round()
    assert (replica.last.is_ready, replica.last.healed) == (True, ("a",))
    assert replica.serves("a") == [b"a"]
    assert world.unfinished() == []
    assert replica.round() == {"a": "fine", "b": "fine"}
    assert replica.serves("a") == [b"a"]


def test_readiness_that_others_models_took_away_is_left_to_them(world, replica):
    replica.round()
    world.store.seed({"theirs/1/model.onnx": b"broken", "theirs/config.pbtxt": POLICY})
    with pytest.raises(LoadFailedError):
        replica.server.load("theirs", timeout=9)
    before = world.store.snapshot()
    assert replica.round() == {"a": "fine", "b": "fine"}
    assert not replica.last.is_ready
    assert replica.last.is_settled
    replica.round()
    assert sum(call.method == "index" for call in replica.server.calls) == 1
    assert world.store.snapshot() == before


def test_nothing_is_written_where_nothing_has_to_be(world, replica):
    """Rights to read are enough, and what needs more is told."""

    def read_only(moment):
        if moment.call.method in {"write", "delete", "transfer"}:
            raise StoreAccessError("read-only")

    world.store.seed({"a/1/model.onnx": b"broken"})
    world.store.faults = read_only
    assert replica.round() == {"a": "failed", "b": "repaired: loaded version 1"}
    assert not replica.last.is_ready


def test_a_directory_that_can_not_be_read_hides_no_other(world, replica):
    def unreadable(moment):
        if moment.call.method == "list" and moment.key in {"", "theirs/"}:
            raise StoreAccessError("permission denied")

    world.store.faults = unreadable
    assert replica.round() == dict.fromkeys("ab", "repaired: loaded version 1")


def test_a_repository_that_does_not_answer_ends_the_round(world, replica):
    def away(moment):
        raise StoreUnavailableError("no answer")

    world.store.faults = away
    with pytest.raises(StoreUnavailableError):
        replica.round()


def test_a_server_that_does_not_answer_ends_the_round(world, replica):
    replica.server.kill()
    with pytest.raises(ServerUnreachableError):
        replica.round()
    with pytest.raises(ServerUnreachableError):
        replica.reconciler.loss()

    def die(call):
        if call.method == "load":
            replica.server.kill()

    replica.server.restart()
    replica.server.before_call = die
    with pytest.raises(ServerUnreachableError):
        replica.round()


def test_a_server_that_takes_no_loads_is_told(world, replica):
    replica.server.mode = ControlMode.NONE
    with pytest.raises(ControlModeError):
        replica.reconciler.require_control()


@pytest.mark.parametrize(
    ("patterns", "names", "is_for_here"),
    [
        ("gpu-*", ("gpu-7",), True),
        ("gpu-*,cpu-1", ("triton-0", "cpu-1"), True),
        ("gpu-*", ("cpu-1",), False),
        ("replica:*", (), True),
        ("gpu-*", (), False),
    ],
)
def test_deployments_for_some_servers_only(world, patterns, names, is_for_here):
    replica = Replica(world, *names)
    replica.round()
    record = world.store.snapshot()["a/mlflow-meta.json"]
    restricted = record.replace(b'"flavor"', f'"servers": "{patterns}", "flavor"'.encode())
    world.store.seed({"a/mlflow-meta.json": restricted})
    world.clock.advance(5)
    found = replica.round()
    assert ("a" in found and "unloaded" not in found["a"]) is is_for_here
    world.clock.advance(5)
    assert replica.serves("a") == ([b"a"] if is_for_here else [])
    loads = replica.loads()
    assert ("a" in replica.round()) is is_for_here
    assert replica.loads() == loads


def test_several_are_loaded_at_once_and_never_more_than_allowed(world):
    for number in range(12):
        world.service.create(f"n{number}", version_package(b"n", 1))
    replica = Replica(world)
    replica.reconciler = replica.service.reconciler(parallelism=3)
    gate = threading.Barrier(3)
    under_way = []

    def count(call):
        if call.method == "load":
            under_way.append(threading.current_thread().name)
            if len(under_way) <= 3:
                gate.wait(timeout=30)

    replica.server.before_call = count
    replica.round()
    assert len(set(under_way)) == 3
    assert replica.last.count(Outcome.REPAIRED) == 14


def test_what_was_interrupted_for_other_servers_is_left_to_them(world):
    for name, done in (("cpu-1", None), ("gpu-1", True)):
        replica = Replica(world, name)
        record = world.store.snapshot()["a/mlflow-meta.json"]
        if b"servers" not in record:
            record = record.replace(b'"flavor"', b'"servers": "gpu-*", "flavor"')
        now = world.clock.now()
        dead = LeaseRecord("x", "update", "t", now - 120, now - 60)
        lease = journal_key(DeploymentName("a"))
        world.store.seed({"a/mlflow-meta.json": record, lease: dead.encode()})
        world.clock.advance(61)
        found = replica.round()
        assert ("a" in found) is bool(done)
        assert (lease in world.store.snapshot()) is not bool(done)


def test_two_loops_on_one_server_load_nothing_twice(world, replica):
    other = replica.service.reconciler()
    replica.round()
    loads = replica.loads()
    assert {report.outcome for report in other.round().reports} == {Outcome.FINE}
    world.service.update("a", version_package(b"new", 2))
    for reconciler in (other, replica.reconciler, other, replica.reconciler):
        reconciler.round()
    assert (replica.serves("a"), replica.serves("b")) == ([b"new"], [b"b"])
    assert replica.loads() == loads + 1


def test_two_loops_at_the_same_time_on_one_server_agree(world):
    for turn in range(10):
        replica = Replica(world)
        loops = [replica.reconciler, replica.service.reconciler()]
        world.new_process(CrashAt(15 + turn))
        with suppress(SimulatedCrash):
            world.service.update("a", version_package(b"new", 2))
        world.new_process()
        world.clock.advance(61)
        for _ in range(3):
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda loop: loop.round(), loops))
        assert replica.serves("b") == [b"b"]
        assert replica.serves("a") in ([b"a"], [b"new"])
        assert {report.outcome for loop in loops for report in loop.round().reports} == {
            Outcome.FINE
        }
        assert world.unfinished() == []
