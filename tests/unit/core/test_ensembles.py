"""Ensembles: what is put up, used again, kept, refused and left alone."""

from __future__ import annotations

import json

import pytest

from triton_deploy_core.errors import (
    DeploymentBusyError,
    InvalidNameError,
    LoadFailedError,
    LoadTimeoutError,
    PartOfEnsembleError,
)
from triton_deploy_core.lease import holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.reconciling import Reconciler
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import SimulatedWorld, ensemble_package, version_package


@pytest.fixture
def world() -> SimulatedWorld:
    world = SimulatedWorld()
    world.service.create("iris", ensemble_package(b"pre", b"old"))
    return world


def loaded(world: SimulatedWorld) -> set[str]:
    world.clock.advance(10)
    return {name for name, _ in world.server.loaded()}


def test_only_the_part_that_changed_is_transferred_and_loaded(world):
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    assert world.serves_chain("iris") == [b"pre", b"new"]
    assert world.server.load_count("iris.preprocess.1") == 1
    assert world.service.get("iris").record.parts == ("iris.preprocess.1", "iris.model.2")
    assert loaded(world) == {"iris", "iris.preprocess.1", "iris.model.2"}


def test_the_same_again_touches_nothing(world):
    before, calls = world.store.snapshot(), len(world.server.calls)
    world.service.update("iris", ensemble_package(b"pre", b"old"))
    assert world.store.snapshot() == before
    assert "load" not in {call.method for call in world.server.calls[calls:]}
    world.service.update("iris", ensemble_package(b"pre", b"old"), force=True)
    assert world.server.load_count("iris.preprocess.1") == 2
    assert world.server.load_count("iris.model.1") == 2


def test_going_back_to_what_is_kept_transfers_nothing(world):
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    calls = len(world.store.calls)
    world.service.update("iris", ensemble_package(b"pre", b"old"))
    assert world.serves_chain("iris") == [b"pre", b"old"]
    sent = [
        key for call in world.store.calls[calls:] if call.method == "transfer" for key in call.keys
    ]
    assert all(key.startswith("iris.rehearsal.") for key in sent)


def test_a_rollback_brings_back_the_whole_chain(world):
    world.service.update("iris", ensemble_package(b"pre 2", b"new", registry_version=2))
    done = world.service.rollback("iris")
    assert done.record.parts == ("iris.preprocess.1", "iris.model.1")
    assert world.serves_chain("iris") == [b"pre", b"old"]
    assert loaded(world) == {"iris", "iris.preprocess.1", "iris.model.1"}
    world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"pre 2", b"new"]
    world.service.update("iris", version_package(b"plain", 7))
    world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"pre 2", b"new"]
    assert loaded(world) == {"iris", "iris.preprocess.2", "iris.model.2"}
    world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"plain"]
    assert loaded(world) == {"iris"}


def test_a_rollback_to_a_part_that_fails_leaves_what_serves(world):
    world.service.update("iris", ensemble_package(b"pre", b"new", registry_version=2))
    _break(world)
    with pytest.raises(LoadFailedError, match="broken"):
        world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"pre", b"new"]
    world.clock.advance(10)
    assert world.server.is_ready()


def test_keep_versions_0_keeps_no_parts(world):
    world.service.update("iris", ensemble_package(b"pre", b"new"), keep_versions=0)
    names = {key.partition("/")[0] for key in world.store.snapshot() if not key.startswith(".")}
    assert names == {"iris", "iris.preprocess.1", "iris.model.2"} == loaded(world)


def test_parts_are_not_shown_and_not_touched_by_themselves(world):
    assert [one.name for one in world.service.list()] == ["iris"]
    before = world.store.snapshot()
    package = version_package(b"mine")
    for touch in (
        lambda: world.service.create("iris.model.1", package),
        lambda: world.service.require_new("iris.model.1"),
        lambda: world.service.update("iris.model.1", package),
        lambda: world.service.require_existing("iris.model.1"),
        lambda: world.service.delete("iris.model.1"),
        lambda: world.service.get("iris.model.1"),
    ):
        with pytest.raises(PartOfEnsembleError, match="is a part of the deployment 'iris'"):
            touch()
    assert world.store.snapshot() == before
    assert [report.name for report in world.service.repair()] == ["iris"]


def test_names_that_somebody_has_are_left_alone():
    world = SimulatedWorld({"iris.preprocess.1/1/model.onnx": b"somebody's"})
    world.service.create("iris.model.1", version_package(b"a deployment"))
    world.service.create("iris", ensemble_package(b"pre", b"old"))
    assert world.server.composing("iris") == ("iris.preprocess.2", "iris.model.2")
    world.service.delete("iris")
    assert world.serves("iris.model.1") == {1: b"a deployment"}
    assert world.store.snapshot()["iris.preprocess.1/1/model.onnx"] == b"somebody's"


def test_a_list_of_parts_that_somebody_forged_harms_no_neighbour(world):
    world.service.create("iris.mine", version_package(b"a deployment"))
    world.service.create("other", version_package(b"other"))
    parts = ["iris.mine", "other", "../x", 7, "iris.model.1"]
    data = json.dumps({"format": 1, "parts": parts}).encode()
    world.store.seed({".iris.@journalparts": data, "iris/1/mlflow-ensemble.json": data})
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    world.service.delete("iris")
    assert loaded(world) >= {"iris.mine", "other"}
    assert world.serves("iris.mine") == {1: b"a deployment"}


def test_a_part_that_fails_is_undone_and_the_server_ready(world):
    before = world.store.snapshot()
    with pytest.raises(LoadFailedError, match=r"no weights.*the model of 'iris'.*goes on serving"):
        world.service.update("iris", ensemble_package(b"pre", b"broken no weights"))
    assert world.store.snapshot() == before
    assert world.serves_chain("iris") == [b"pre", b"old"]
    world.clock.advance(10)
    assert world.server.is_ready()


def test_an_ensemble_that_triton_refuses_is_rehearsed_first(world):
    """Triton unloads an ensemble that it finds wrong: the one that serves must never be."""
    before = world.store.snapshot()
    wrong = 'input { name: "IN" data_type: TYPE_INT64 dims: [ -1 ] }'
    with pytest.raises(LoadFailedError, match=r"rehearsal.*goes on serving"):
        world.service.update("iris", ensemble_package(b"pre", b"new", more=wrong))
    assert world.store.snapshot() == before
    assert world.serves_chain("iris") == [b"pre", b"old"]


def test_a_part_that_outlives_its_deadline_is_left_to_the_next_operation(world):
    hasty = world.new_service(timeout=5)
    with pytest.raises(LoadTimeoutError):
        hasty.update("iris", ensemble_package(b"pre", b"slow 30"))
    assert world.serves_chain("iris") == [b"pre", b"old"]
    world.clock.advance(60)
    assert [row.kind.value for row in world.service.get("iris").differences] == ["interrupted"]
    world.service.repair("iris")
    assert loaded(world) == {"iris", "iris.preprocess.1", "iris.model.1"}
    assert not [
        key for key in world.store.snapshot() if key.endswith(("@journalparts", "@journal"))
    ]


def test_who_works_on_a_part_keeps_others_from_the_ensemble(world):
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    part = DeploymentName("iris.model.1")
    with holding(world.store, part, "repair", clock=world.clock):
        world.service.update("iris", ensemble_package(b"pre", b"next"))
        assert world.serves_chain("iris") == [b"pre", b"next"]
        with pytest.raises(DeploymentBusyError):
            world.service.require_new("iris")
    world.service.repair("iris")
    assert "iris.model.1/config.pbtxt" not in world.store.snapshot()


def test_an_empty_server_is_reconciled_with_one_load(world):
    world.server.restart()
    reconciler = world.service.reconciler()
    assert [report.name for report in reconciler.round().reports] == ["iris"]
    assert world.serves_chain("iris") == [b"pre", b"old"]
    calls = len(world.store.calls)
    reconciler.round()
    assert {call.method for call in world.store.calls[calls:]} == {"list"}
    world.service.update("iris", ensemble_package(b"pre", b"new"), keep_versions=0)
    reconciler.round()
    assert loaded(world) == {"iris", "iris.preprocess.1", "iris.model.2"}


def test_a_part_that_does_not_load_any_more_keeps_no_server_unready(world):
    world.store.seed({"iris.model.1/1/model.onnx": b"broken"})
    world.server.restart()
    (report,) = world.service.repair("iris")
    assert "could not load 'iris.model.1'" in str(report.error)
    world.clock.advance(10)
    assert world.server.is_ready()


def test_all_servers_of_a_fleet_serve_one_chain():
    world = SimulatedWorld(fleet_of=3)
    world.service.create("iris", ensemble_package(b"pre", b"old"))
    world.service.update("iris", ensemble_package(b"pre", b"new"), servers=world.servers[0].url)
    world.clock.advance(10)
    assert world.serves_chain("iris") == [b"pre", b"new"]
    for server in world.servers[1:]:
        assert server.loaded() == frozenset()
    world.service.delete("iris")
    assert world.store.snapshot() == {}


def test_a_name_that_leaves_no_room_is_refused():
    world = SimulatedWorld()
    with pytest.raises(InvalidNameError, match="too long for an ensemble"):
        world.service.create("x" * 250, ensemble_package(b"pre", b"old"))
    assert world.store.snapshot() == {}


def replica_of(world: SimulatedWorld) -> tuple[SimulatedTriton, Reconciler]:
    """Return a server that no operation knows, and what keeps it up to date."""
    server = SimulatedTriton(world.store, clock=world.clock, url="replica:8000")
    service = DeploymentService(world.store, server, SimpleConfigFormat(), clock=world.clock)
    return server, service.reconciler()


def test_a_replica_goes_over_to_the_new_chain_and_lets_go_of_the_old(world):
    replica, reconciler = replica_of(world)
    reconciler.round()
    world.service.update("iris", ensemble_package(b"pre", b"new"), keep_versions=0)
    reconciler.round()
    assert world.serves_chain("iris", replica) == [b"pre", b"new"]
    for _ in range(2):
        world.clock.advance(10)
        reconciler.round()
    assert {name for name, _ in replica.loaded()} == {"iris", "iris.preprocess.1", "iris.model.2"}
    world.service.delete("iris")
    for _ in range(3):
        world.clock.advance(10)
        reconciler.round()
    assert replica.loaded() == frozenset()


def test_a_replica_where_a_new_part_fails_goes_on_serving_the_old_chain(world):
    replica, reconciler = replica_of(world)
    reconciler.round()
    world.server.has = frozenset({"gpu"})
    world.service.update("iris", ensemble_package(b"pre", b"needs gpu"), keep_versions=0)
    for _ in range(4):
        reconciler.round()
        world.clock.advance(700)
        assert {"iris", "iris.preprocess.1", "iris.model.1"} <= {
            name for name, _ in replica.loaded()
        }
        assert replica.composing("iris") == ("iris.preprocess.1", "iris.model.1")
    assert replica.is_ready()


def test_a_kept_part_that_does_not_load_any_more_harms_nothing(world):
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    world.server.before_call = lambda call: _break(world) if call.method == "load" else None
    with pytest.raises(LoadFailedError, match=r"could not load 'iris\.model\.1'"):
        world.service.update("iris", ensemble_package(b"pre", b"old"))
    assert world.serves_chain("iris") == [b"pre", b"new"]
    world.clock.advance(10)
    assert world.server.is_ready()
    assert loaded(world) == {"iris", "iris.preprocess.1", "iris.model.2"}


def _break(world: SimulatedWorld) -> None:
    world.store.seed({"iris.model.1/1/model.onnx": b"broken"})


def test_get_tells_what_the_parts_are_and_which_is_gone(world):
    assert world.service.get("iris").parts == {
        "iris.preprocess.1": "models:/m/1",
        "iris.model.1": "models:/m/1",
    }
    world.store.delete(["iris.model.1/mlflow-meta.json"])
    (difference,) = world.service.get("iris").differences
    assert difference.text == "its part 'iris.model.1' is gone: update it"
    world.service.update("iris", ensemble_package(b"pre", b"old"))
    assert world.server.composing("iris") == ("iris.preprocess.1", "iris.model.2")
    assert world.service.get("iris").differences == ()
