"""Ensembles, killed after every step: old chain or new, whole; what is left is put right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from triton_deploy_core.errors import DeployError, LoadFailedError
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import SimulatedWorld, ensemble_package, version_package

Act = Callable[[SimulatedWorld], object]
PRE, OLD, NEW = b"pre", b"old", b"new"
NEIGHBOURS = {
    "iris.model.1/config.pbtxt": b'backend: "x"',
    "iris.model.1/1/model.onnx": b"somebody's",
    "iris2/config.pbtxt": b'backend: "x"',
    "iris2/1/model.onnx": b"somebody's",
}


def _create(world: SimulatedWorld) -> None:
    world.service.create("iris", ensemble_package(PRE, OLD))


def _plain(world: SimulatedWorld) -> None:
    world.service.create("iris", version_package(OLD, 1))


def _update(*contents: bytes) -> Act:
    package = ensemble_package(*contents, registry_version=2)
    return lambda world: world.service.update("iris", package)


def _went_on(world: SimulatedWorld) -> None:
    _create(world)
    _update(PRE, NEW)(world)


def _to_plain(world: SimulatedWorld) -> None:
    world.service.update("iris", version_package(NEW, 3))


def _delete(world: SimulatedWorld) -> None:
    world.service.delete("iris")


def _world(before: Act | None) -> SimulatedWorld:
    world = SimulatedWorld(dict(NEIGHBOURS))
    if before is not None:
        before(world)
    world.clock.advance(10)
    return world


def _run(world: SimulatedWorld, act: Act, after: int | None = None) -> int:
    death = SuddenDeath(after)
    world.new_process(death=death)
    with suppress(SimulatedCrash, LoadFailedError):
        act(world)
    world.new_process()
    world.clock.advance(3600)
    return death.steps


def _repair(world: SimulatedWorld, after: int | None = None) -> None:
    def repair(world: SimulatedWorld) -> None:
        with suppress(DeployError):
            world.service.repair("iris")

    _run(world, repair, after)


def _started(world: SimulatedWorld) -> list[bytes]:
    world.server.restart(load_all=True)
    return world.serves_chain("iris")


def _names(world: SimulatedWorld) -> set[str]:
    return {key.partition("/")[0] for key in world.store.snapshot() if not key.startswith(".")}


def _untouched(world: SimulatedWorld) -> bool:
    return world.store.snapshot().items() >= NEIGHBOURS.items()


CASES: dict[str, tuple[Act | None, Act]] = {
    "create": (None, _create),
    "one part is new": (_create, _update(PRE, NEW)),
    "all parts are new": (_create, _update(b"pre 2", NEW)),
    "more parts": (_create, _update(PRE, b"between", OLD)),
    "going back": (
        _went_on,
        lambda world: world.service.update("iris", ensemble_package(PRE, OLD)),
    ),
    "a rollback": (_went_on, lambda world: world.service.rollback("iris")),
    "from a plain model": (_plain, _update(PRE, NEW)),
    "to a plain model": (_went_on, _to_plain),
    "a part fails": (_went_on, _update(PRE, b"broken")),
    "delete": (_went_on, _delete),
}


@pytest.mark.parametrize("case", CASES)
def test_old_or_new_after_every_step(case):
    before, act = CASES[case]
    world = _world(before)
    old = world.serves_chain("iris")
    left = _names(world)
    steps = _run(world, act)
    new = world.serves_chain("iris")
    assert _untouched(world)
    ends = {frozenset(left), frozenset(_names(world))}
    assert case == "a part fails" or old != new
    for step in range(steps):
        world = _world(before)
        _run(world, act, after=step)
        assert world.serves_chain("iris") in (old, new), f"running, after step {step}"
        assert _started(world) in (old, new), f"started, after step {step}"
        if step % 4 != len(case) % 4:
            continue  # what follows takes its time
        for second in (step * 5 % 11, step * 3 % 23):
            _repair(world, after=second)
            assert world.serves_chain("iris") in (old, new), f"after step {step}, and {second}"
        _repair(world)
        assert world.serves_chain("iris") in (old, new), f"repaired after step {step}"
        assert _names(world) in ends, f"repaired after step {step}"
        assert world.unfinished() == [], f"repaired after step {step}"
        assert not [key for key in world.store.snapshot() if key.endswith("@journalparts")]
        assert world.server.is_ready(), f"repaired after step {step}"
        assert _started(world) in (old, new)
        assert _untouched(world)


@pytest.mark.parametrize("case", [case for case, (before, _) in CASES.items() if before])
def test_there_is_no_gap(case):
    """Nor does a request pass through a part of the old chain and one of the new."""
    before, act = CASES[case]
    world = _world(before)
    old = world.serves_chain("iris")
    probe = _world(before)
    with suppress(LoadFailedError):
        act(probe)
    new = probe.serves_chain("iris")
    seen = []

    def look(moment: object) -> None:
        world.clock.advance(0.2)
        seen.append(world.serves_chain("iris"))

    world.store.faults = look
    world.server.after_call = look
    with suppress(LoadFailedError):
        act(world)
    assert all(chain in (old, new) for chain in seen)
    assert seen == sorted(seen, key=lambda chain: chain == new and old != new)


def test_the_next_operation_removes_what_a_dead_one_left_on_the_server_too():
    probe = _world(_create)
    for step in range(0, _run(probe, _update(b"pre 2", NEW)), 4):
        world = _world(_create)
        _run(world, _update(b"pre 2", NEW), after=step)
        world.service.update("iris", ensemble_package(b"pre 3", b"next"), keep_versions=0)
        assert world.serves_chain("iris") == [b"pre 3", b"next"], f"after step {step}"
        world.clock.advance(10)
        loaded = {name for name, _ in world.server.loaded()}
        assert loaded == {"iris", *world.server.composing("iris")}, f"after step {step}"
        assert _names(world) == {*loaded, "iris2", "iris.model.1"}, f"after step {step}"
        world.service.delete("iris")
        assert _names(world) == {"iris2", "iris.model.1"}, f"after step {step}"
        assert world.server.loaded() == frozenset()
        assert not [key for key in world.store.snapshot() if key.startswith(".")]
