"""Ensembles, and a server that fails at a moment: all of it or nothing, and nothing in between."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import DeployError, LoadFailedError, ServerUnreachableError
from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.world import SimulatedWorld, ensemble_package

OLD, NEW = [b"pre", b"old"], [b"pre", b"new"]


def _world() -> SimulatedWorld:
    world = SimulatedWorld()
    world.service.create("iris", ensemble_package(*OLD))
    return world


def _update(world: SimulatedWorld) -> bool:
    try:
        world.service.update("iris", ensemble_package(*NEW), keep_versions=0)
    except DeployError:
        return False
    return True


def _names(world: SimulatedWorld) -> set[str]:
    return {key.partition("/")[0] for key in world.store.snapshot() if not key.startswith(".")}


def _calls() -> list[ServerCall]:
    world = _world()
    before = len(world.server.calls)
    assert _update(world)
    return world.server.calls[before:]


@pytest.mark.parametrize("kind", ["down", "lost", "refused"])
def test_a_call_that_fails(kind):
    calls = _calls()
    numbers = range(0, len(calls), 5)
    if kind == "refused":
        numbers = [number for number, call in enumerate(calls) if call.method == "load"]
    for number in numbers:
        world = _world()
        first = len(world.server.calls)

        def fail(call: ServerCall, world=world, at=first + number) -> None:
            if len(world.server.calls) - 1 == at:
                if kind == "refused":
                    raise LoadFailedError(f"could not load '{call.name}'", reason="refused")
                raise ServerUnreachableError("no answer")

        if kind == "lost":
            world.server.after_call = fail
        else:
            world.server.before_call = fail
        is_done = _update(world)
        world.server.before_call = world.server.after_call = None
        chain = NEW if is_done else OLD
        assert world.serves_chain("iris") == chain, f"call {number}"
        world.service.repair("iris")
        world.clock.advance(60)
        assert world.serves_chain("iris") == chain, f"call {number}"
        part = "iris.model.2" if is_done else "iris.model.1"
        assert _names(world) == {"iris", "iris.preprocess.1", part}, f"call {number}"
        assert {name for name, _ in world.server.loaded()} == _names(world), f"call {number}"
        assert world.server.is_ready(), f"call {number}"
        assert not [
            key for key in world.store.snapshot() if key.endswith(("@journalparts", "@journal"))
        ]
