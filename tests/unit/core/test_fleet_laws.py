"""All or nothing across a fleet: one server fails, dies, hangs or is late, at any of its calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from triton_deploy_core.errors import (
    DeployError,
    DeploymentNotFoundError,
    LoadFailedError,
    LoadTimeoutError,
)
from triton_deploy_core.fleet.rollout import Rollout, Strategy
from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

OLD, NEW = b"old", b"new"
CONFIG = b'backend: "onnxruntime"\n'


def _tree(content: bytes):
    return tree_package({"config.pbtxt": CONFIG, "1/model.onnx": content, "labels.txt": content})


OPERATIONS: dict[str, tuple[object, Callable[[SimulatedWorld], object]]] = {
    "create": (None, lambda world: world.service.create("iris", version_package(NEW, 1))),
    "update": (
        version_package(OLD, 1),
        lambda world: world.service.update("iris", version_package(NEW, 2)),
    ),
    "in-place": (_tree(OLD), lambda world: world.service.update("iris", _tree(NEW))),
    "delete": (version_package(OLD, 1), lambda world: world.service.delete("iris")),
}


def _refuse(server: SimulatedTriton, call: ServerCall) -> None:
    if call.method == "load":
        raise LoadFailedError(f"{server.url} could not load: no.", reason="no")


def _die(server: SimulatedTriton, _: ServerCall) -> None:
    server.kill()


def _hang(server: SimulatedTriton, _: ServerCall) -> None:
    server.stopped = True


def _be_late(server: SimulatedTriton, call: ServerCall) -> None:
    if call.method == "load":
        raise LoadTimeoutError(f"{server.url} was still loading.")


FAULTS = {"refuses": _refuse, "dies": _die, "hangs": _hang, "is late": _be_late}


class _At:
    """A `CallHook` that lets something happen at the nth call of one server, or counts calls."""

    def __init__(self, server: SimulatedTriton, nth: int = 0, fault=None) -> None:
        self.server, self.nth, self.fault, self.count = server, nth, fault, 0

    def __call__(self, call: ServerCall) -> None:
        self.count += 1
        if self.count == self.nth:
            self.fault(self.server, call)


def _world(operation: str, rollout: Rollout | None = None) -> SimulatedWorld:
    world = SimulatedWorld({"iris2/config.pbtxt": b"theirs"}, fleet_of=3, rollout=rollout)
    package = OPERATIONS[operation][0]
    if package is not None:
        world.service.create("iris", package)
    return world


def _models(world: SimulatedWorld) -> dict[str, bytes]:
    files = world.store.snapshot()
    return {key: data for key, data in files.items() if not key.startswith(".")}


def _contents(world: SimulatedWorld, server: SimulatedTriton) -> list[bytes]:
    return list(world.serves("iris", server).values())


ROLLOUTS = {"all": Rollout(), "rolling": Rollout(Strategy.ROLLING)}


@pytest.mark.parametrize("rollout", ROLLOUTS.values(), ids=ROLLOUTS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_server_at_any_call(operation, fault, rollout):
    """All that answer serve the old model, or the new one, as the operation said; all are ready."""
    package, act = OPERATIONS[operation]
    before = [] if package is None else [OLD]
    after = [] if operation == "delete" else [NEW]
    for victim in (0, 2):
        world = _world(operation, rollout)
        counter = world.servers[victim].before_call = _At(world.servers[victim])
        act(world)
        for nth in range(1, counter.count + 1):
            world = _world(operation, rollout)
            server, models = world.servers[victim], _models(world)
            server.before_call = _At(server, nth, fault)
            error = _error_of(act, world)
            failed = error is not None
            assert error is None or server.url in str(error)
            server.before_call = None
            where = f"server {victim}, call {nth}"
            others = [one for one in world.servers if one is not server]
            for other in others:
                assert _contents(world, other) == (before if failed else after), where
                assert other.is_ready(), where
            if failed:
                assert _models(world) == models, where
            _come_back(world, server)
            world.service.repair()
            contents = [_contents(world, one) for one in world.servers]
            assert contents[1:] == contents[:-1], where
            assert all(one.is_ready() for one in world.servers), where
            assert not world.unfinished(), where
            if contents[0]:
                assert world.service.get("iris").differences == (), where
            else:
                with pytest.raises(DeploymentNotFoundError):
                    world.service.get("iris")


def _error_of(act, world: SimulatedWorld) -> DeployError | None:
    try:
        act(world)
    except DeployError as error:
        return error
    return None


def _come_back(world: SimulatedWorld, server: SimulatedTriton) -> None:
    if server.stopped:
        server.stopped = False
    else:
        server.restart()
    world.clock.advance(120)  # whatever was held has run out
