"""Law 5: killed at any moment, a server started from the repository serves the old or the new."""

from __future__ import annotations

from contextlib import suppress

import pytest

from triton_deploy_core.errors import DeploymentExistsError, LoadFailedError
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

OLD, NEW, NEXT = b"old weights", b"new weights", b"next weights"
NVIDIAS = b"no configuration at all, as NVIDIA's plugin leaves it"
USERS = b'# mine\nbackend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n'


def _update(config: bytes | None):
    return lambda world: world.service.update("iris", version_package(NEW, 2, user_config=config))


def _delete(world: SimulatedWorld) -> None:
    world.service.delete("iris")


def _world(config: bytes | None) -> SimulatedWorld:
    world = SimulatedWorld()
    if config == NVIDIAS:
        world.store.seed(
            {
                "iris/1/model.onnx": b"older",
                "iris/2/model.onnx": OLD,
                "iris/mlflow-meta.json": b'{"name": "iris", "flavor": "onnx"}',
            }
        )
        world.server.load("iris", timeout=1)
    else:
        world.service.create("iris", version_package(OLD, 1, user_config=config))
    world.service.create("iris2", version_package(b"neighbour"))
    return world


def _moments(config, act) -> int:
    world = _world(config)
    counter = CountMoments()
    world.new_process(counter)
    act(world)
    return counter.count


CASES = [
    pytest.param(None, _update(None), id="update-generated"),
    pytest.param(USERS, _update(USERS), id="update-users"),
    pytest.param(None, _update(USERS), id="update-to-users"),
    pytest.param(USERS, _update(None), id="update-from-users"),
    pytest.param(NVIDIAS, _update(None), id="update-nvidias"),
    pytest.param(NVIDIAS, _update(USERS), id="update-nvidias-to-users"),
]


@pytest.mark.parametrize(("config", "act"), CASES)
def test_an_update_that_dies_leaves_the_old_or_the_new(config, act):
    for number in range(_moments(config, act)):
        world = _world(config)
        world.new_process(CrashAt(number))
        with suppress(SimulatedCrash):
            act(world)
        world.new_process()

        world.server.restart(load_all=True)
        served = world.serves("iris")
        assert list(served.values()) in ([OLD], [NEW]), f"crash at moment {number}"
        assert world.serves("iris2") == {1: b"neighbour"}

        _lease_runs_out(world)
        world.service.update("iris", version_package(NEXT, 9))
        assert world.serves("iris") == {9: NEXT}, f"crash at moment {number}"
        assert world.unfinished() == []


@pytest.mark.parametrize("then", ["create", "delete"])
def test_a_create_that_dies_is_undone_or_finished_by_the_next_operation(then):
    package = version_package(NEW, 1)
    counter = CountMoments()
    world = SimulatedWorld()
    world.new_process(counter)
    world.service.create("iris", package)

    for number in range(counter.count):
        world = SimulatedWorld()
        world.new_process(CrashAt(number))
        with suppress(SimulatedCrash):
            world.service.create("iris", package)
        world.new_process()
        _lease_runs_out(world)
        if then == "create":
            try:
                world.service.require_new("iris")
                world.service.create("iris", package)
            except DeploymentExistsError:
                world.service.update("iris", package)
            assert list(world.serves("iris").values()) == [NEW]
        world.service.delete("iris")
        assert world.store.snapshot() == {}, f"crash at moment {number}"


def test_a_delete_that_dies_is_finished_by_the_next_operation():
    for number in range(_moments(None, _delete)):
        world = _world(None)
        world.new_process(CrashAt(number))
        with suppress(SimulatedCrash):
            _delete(world)
        world.new_process()
        _lease_runs_out(world)
        world.service.delete("iris")
        names = {key.partition("/")[0] for key in world.store.snapshot()}
        assert names == {"iris2", ".iris2.@digests"}, f"crash at moment {number}"


@pytest.mark.parametrize(("config", "act"), CASES)
def test_whoever_repairs_may_die_too(config, act):
    """At every moment of the repair, after a death at the worst moments of the update."""
    moments = _moments(config, act)
    for first in range(0, moments, 3):
        for second in range(0, 24, 2):
            world = _world(config)
            world.new_process(CrashAt(first))
            with suppress(SimulatedCrash):
                act(world)
            world.new_process(CrashAt(second))
            _lease_runs_out(world)
            with suppress(SimulatedCrash):
                world.service.require_existing("iris")
            world.new_process()
            world.server.restart(load_all=True)
            served = list(world.serves("iris").values())
            assert served in ([OLD], [NEW]), f"crashes at moments {first} and {second}"
            _lease_runs_out(world)
            world.service.require_existing("iris")
            assert list(world.serves("iris").values()) in ([OLD], [NEW])


WHOLE = {"config.pbtxt": b'backend: "x"\n', "1/model.onnx": NEW, "1/more": b"m", "labels": b"l"}


@pytest.mark.parametrize("package", [tree_package(WHOLE), tree_package(WHOLE | {"3/m": b""})])
@pytest.mark.parametrize("what", ["create", "delete", "failed create"])
def test_a_server_started_in_the_middle_of_a_create_or_delete_serves_all_or_nothing(what, package):
    if what == "failed create":
        package = tree_package({path: source.data for path, source in package.files.items()} | BAD)

    def act(world):
        if what == "delete":
            world.service.delete("iris")
        else:
            with suppress(LoadFailedError):
                world.service.create("iris", package)

    def world_before():
        world = SimulatedWorld()
        if what == "delete":
            world.service.create("iris", package)
        return world

    counter = CountMoments()
    world = world_before()
    world.new_process(counter)
    act(world)
    for number in range(counter.count):
        world = world_before()
        world.new_process(CrashAt(number))
        with suppress(SimulatedCrash):
            act(world)
        world.new_process()
        world.server.restart(load_all=True)
        if world.server.served("iris"):
            assert world.files("iris").keys() >= package.files.keys(), f"crash at moment {number}"
        assert world.server.is_ready() or what == "failed create"


BAD = {"1/model.onnx": b"broken"}


def _lease_runs_out(world: SimulatedWorld) -> None:
    world.clock.advance(3600)


def _lacks_what_a_kept_version_needs() -> SimulatedWorld:
    world = SimulatedWorld()
    world.server.has = frozenset({"gpu"})
    world.service.create("iris", version_package(b"needs gpu", 1))
    world.service.update("iris", version_package(NEW, 2))
    return world


def _go_back(world: SimulatedWorld) -> None:
    world.server.has = frozenset()
    with pytest.raises(LoadFailedError, match="no gpu here"):
        world.service.update("iris", version_package(b"needs gpu", 1))


def test_a_kept_version_that_lends_its_number_is_there_after_any_death():
    world = _lacks_what_a_kept_version_needs()
    counter = CountMoments()
    world.new_process(counter)
    _go_back(world)
    for number in range(counter.count):
        world = _lacks_what_a_kept_version_needs()
        before = world.files("iris")
        world.new_process(CrashAt(number))
        with suppress(SimulatedCrash):
            _go_back(world)
        world.new_process()
        world.server.has = frozenset({"gpu"})
        world.server.restart(load_all=True)
        served = set(world.serves("iris").values())
        assert served in ({NEW}, {b"needs gpu"}), f"crash at moment {number}"
        _lease_runs_out(world)
        world.service.repair("iris")
        assert world.files("iris") == before, f"crash at moment {number}"
        assert world.serves("iris") == {2: NEW}, f"crash at moment {number}"
        assert world.unfinished() == []
