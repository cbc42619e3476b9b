"""Repair of names and of whole repositories, and what `get` says of the same differences."""

from __future__ import annotations

import pytest

from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.differences import Kind
from triton_deploy_core.errors import (
    DeploymentNotFoundError,
    LoadTimeoutError,
    NotOursError,
    StoreUnavailableError,
)
from triton_deploy_core.lease import LeaseRecord, holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.config_format import Specific
from triton_deploy_core.repairing import Outcome, Repair
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

LOADED = ("loaded version 1",)


@pytest.fixture
def world():
    world = SimulatedWorld({"theirs/1/model.onnx": b"theirs", ".hidden/x": b""})
    world.service.create("a", version_package(b"a", 1))
    world.service.create("b", version_package(b"b", 1))
    return world


def _texts(deployment) -> str:
    return "; ".join(difference.text for difference in deployment.differences)


def test_where_all_is_well_nothing_is_touched(world):
    before, calls = world.store.snapshot(), len(world.server.calls)
    assert world.service.repair() == [Repair("a", Outcome.FINE), Repair("b", Outcome.FINE)]
    assert world.service.get("a").differences == ()
    assert world.store.snapshot() == before
    assert not any(call.method == "load" for call in world.server.calls[calls:])


def test_a_server_that_came_back_empty_serves_everything_again(world):
    world.server.restart()
    found = world.service.get("a")
    assert _texts(found) == "config.pbtxt picks version 1, the server serves none"
    assert found.is_repairable
    assert world.service.repair("a") == [Repair("a", Outcome.REPAIRED, LOADED)]
    assert world.service.repair() == [
        Repair("a", Outcome.FINE),
        Repair("b", Outcome.REPAIRED, LOADED),
    ]
    assert (world.serves("a"), world.serves("b")) == ({1: b"a"}, {1: b"b"})
    assert world.serves("theirs") == {}


def test_a_server_that_serves_another_version_than_the_files_say(world):
    config = SimpleConfigFormat().with_version_policy(
        world.store.snapshot()["a/config.pbtxt"], Specific(frozenset({4}))
    )
    world.store.seed({"a/4/model.onnx": b"four", "a/config.pbtxt": config})
    assert "picks version 4, the server serves 1" in _texts(world.service.get("a"))
    assert world.service.repair("a")[0].done == ("loaded version 4",)
    assert world.serves("a") == {4: b"four"}


def test_what_a_dead_process_left_is_taken_back_or_finished(world):
    """At every moment of an update: repair alone brings all in order, and a second has no work."""
    before = world.store.snapshot()
    counter = CountMoments()
    world.new_process(counter)
    world.service.update("a", version_package(b"new", 2))
    for number in range(counter.count):
        world = SimulatedWorld(before)
        world.service.repair()
        world.new_process(CrashAt(number))
        with pytest.raises(SimulatedCrash):
            world.service.update("a", version_package(b"new", 2))
        world.new_process()
        world.server.restart()
        world.clock.advance(61)
        first, other = world.service.repair()
        assert (first.name, other) == ("a", Repair("b", Outcome.REPAIRED, LOADED))
        assert first.outcome is Outcome.REPAIRED, number
        assert set(world.serves("a").values()) <= {b"a", b"new"}
        assert len(world.serves("a")) == 1
        assert {report.outcome for report in world.service.repair()} == {Outcome.FINE}
        assert world.unfinished() == []


def test_a_create_that_died_is_removed_though_it_has_no_record(world):
    world.new_process(CrashAt(12))
    with pytest.raises(SimulatedCrash):
        world.service.create("c", version_package(b"c"))
    world.new_process()
    world.move_holder("c")
    assert [report.outcome.value for report in world.service.repair()] == ["fine", "fine", "busy"]
    world.clock.advance(61)
    report = world.service.repair("c")[0]
    assert report.done == ("took back an operation that was interrupted",)
    assert not any("c" in key.split("/")[0] for key in world.store.snapshot() if "t" not in key)
    with pytest.raises(DeploymentNotFoundError):
        world.service.repair("c")


def test_orphans_of_ours_go_and_nothing_else(world):
    before = world.store.snapshot()
    dead = LeaseRecord("x", "update", "t", world.clock.now() - 120, world.clock.now() - 60)
    world.store.seed(
        {
            ".gone.@journal": dead.encode(),
            ".gone.@lease": dead.encode(),
            ".gone.@digests": b"{}",
            ".a.@lease": dead.encode(),
            "b/.deploy/saved/1/model.onnx": b"b",
            ".gone.@x/y": b"a directory of somebody else",
            ".notes": b"theirs",
        }
    )
    world.clock.advance(61)
    assert "copies of files were left" in _texts(world.service.get("b"))
    reports = {report.name: report.done for report in world.service.repair()}
    tidied = ("removed what was left behind",)
    assert reports["gone"] == reports["b"] == tidied
    after = world.store.snapshot()
    assert after.pop(".notes") and after.pop(".gone.@x/y")  # noqa: PT018
    assert after == before


def test_somebody_at_work_is_left_alone_and_named(world):
    world.server.restart()
    with holding(world.store, DeploymentName("a"), "update", clock=world.clock):
        (difference,) = world.service.get("a").differences
        assert difference.kind is Kind.UNDER_WAY
        assert not difference.is_repairable
        a, b = world.service.repair()
    assert a.outcome is Outcome.BUSY
    assert "Another update of 'a' is under way" in str(a.error)
    assert b.outcome is Outcome.REPAIRED


def test_what_can_not_be_repaired_is_said_and_keeps_nobody_else_from_it(world):
    world.store.seed({"a/1/model.onnx": b"broken no such op", "bad/mlflow-meta.json": b"{"})
    world.store.seed({"none/mlflow-meta.json": b'{"name": "none"}', "none/config.pbtxt": b""})
    world.server.restart()
    a, b, bad, none = world.service.repair()
    assert (a.outcome, b.outcome, bad.outcome, none.outcome) == (
        Outcome.FAILED,
        Outcome.REPAIRED,
        Outcome.FAILED,
        Outcome.FAILED,
    )
    assert "no such op" in str(a.error)
    assert "can't be read" in str(bad.error)
    assert "no version that its config.pbtxt picks" in str(none.error)
    assert "picks no version that has a directory (there is none)" in _texts(
        world.service.get("none")
    )
    assert world.server.is_ready()
    assert world.unfinished() == []


def test_a_name_whose_files_can_not_be_read_keeps_nobody_else_from_it(world):
    def unreadable(moment):
        if moment.call.method in {"read", "list"} and moment.key.startswith("a/"):
            raise StoreUnavailableError("no answer")

    world.new_process(unreadable)
    first, second = world.service.repair()
    assert (first.name, first.outcome, str(first.error)) == ("a", Outcome.FAILED, "no answer")
    assert second == Repair("b", Outcome.FINE)


def test_a_directory_of_somebody_else_is_refused_by_name_and_passed_over_else(world):
    with pytest.raises(NotOursError):
        world.service.repair("theirs")
    assert "theirs" not in [report.name for report in world.service.repair()]
    with pytest.raises(DeploymentNotFoundError):
        world.service.repair("nobody")


def test_a_load_that_outlived_its_deadline_shows_and_is_repaired(world):
    service = world.new_service(timeout=5)
    with pytest.raises(LoadTimeoutError):
        service.update("a", version_package(b"slow 60", 2))
    found = service.get("a")
    assert "its journal waits" in _texts(found)
    assert found.is_repairable
    world.clock.advance(120)
    assert service.repair("a")[0].outcome is Outcome.REPAIRED
    assert world.serves("a") == {1: b"a"}
    assert service.get("a").differences == ()


def test_a_tree_whose_policy_shows_several_versions(world):
    files = {
        "config.pbtxt": b'backend: "onnxruntime"\nversion_policy { all {} }\n',
        "1/model.onnx": b"one",
        "3/model.onnx": b"three",
    }
    world.service.create("t", tree_package(files))
    assert world.service.get("t").differences == ()
    world.server.restart()
    assert world.service.repair("t")[0].done == ("loaded version 1, 3",)


def test_a_stale_lease_alone_is_given_up(world):
    now = world.clock.now()
    dead = LeaseRecord("x", "update", "t", now - 120, now - 60)
    world.store.seed({journal_key(DeploymentName("a")): dead.encode()})
    world.clock.advance(61)
    assert world.service.get("a").differences == ()
    world.service.repair()
    assert ".a.@journal" not in world.store.snapshot()
