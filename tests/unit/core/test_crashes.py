"""Law 5: killed at any moment, a server started from the repository serves the old or the new."""

from __future__ import annotations

from contextlib import suppress

import pytest

from triton_deploy_core.errors import DeploymentExistsError
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, version_package

OLD, NEW, NEXT = b"old weights", b"new weights", b"next weights"
USERS = b'# mine\nbackend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n'


def _update(config: bytes | None):
    return lambda world: world.service.update("iris", version_package(NEW, 2, user_config=config))


def _delete(world: SimulatedWorld) -> None:
    world.service.delete("iris")


def _world(config: bytes | None) -> SimulatedWorld:
    world = SimulatedWorld()
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
        assert _bookkeeping(world) == []


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
        assert names == {"iris2"}, f"crash at moment {number}"


def _lease_runs_out(world: SimulatedWorld) -> None:
    world.clock.advance(3600)


def _bookkeeping(world: SimulatedWorld) -> list[str]:
    return [key for key in world.store.snapshot() if key.startswith(".")]
