"""A load goes on though its request was cut: it is followed to its end and called what it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from triton_deploy_core.errors import (
    LoadFailedError,
    LoadTimeoutError,
    NotTritonError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.store import Content
from triton_deploy_core.testing.simulated_calls import FailNth, ServerCall
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

CONFIG = b'backend: "onnxruntime"\n'


class CutAfter:
    """A proxy that gives up on the first load after so many seconds, while the server goes on."""

    def __init__(self, world: SimulatedWorld, seconds: float, error: Exception) -> None:
        self.world = world
        self.seconds = seconds
        self.error = error
        world.server.before_call = self

    def __call__(self, call: ServerCall) -> None:
        if call.method == "load":
            self.world.server.before_call = None
            with suppress(LoadTimeoutError):
                self.world.server.load(call.name, timeout=self.seconds)
            raise self.error


@pytest.fixture
def world():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"old", 1))
    return world


@pytest.mark.parametrize("error", [ServerUnreachableError("cut"), NotTritonError("504 page")])
def test_a_load_that_ends_well(world, error):
    CutAfter(world, 5, error)
    assert world.service.update("iris", version_package(b"slow 60\nnew", 2)).versions == (2,)
    assert world.serves("iris") == {2: b"slow 60\nnew"}
    assert world.server.load_count("iris", 2) == 1


def test_a_load_that_ends_badly(world):
    CutAfter(world, 5, ServerUnreachableError("cut"))
    package = version_package(b"broken no such op", 2)
    slow = replace(package, files={**package.files, "weights": Content(b"slow 60")})
    with pytest.raises(LoadFailedError, match=r"could not load 'iris': version 2: .*no such op"):
        world.service.update("iris", slow)
    assert world.serves("iris") == {1: b"old"}
    assert world.server.is_ready()


def test_a_load_that_has_not_ended_at_the_deadline(world):
    CutAfter(world, 5, ServerUnreachableError("cut"))
    with pytest.raises(LoadTimeoutError, match="may yet succeed"):
        world.new_service(timeout=20).update("iris", version_package(b"slow 60\nnew", 2))


def test_a_reload_in_its_place(world):
    world.service.create("t", tree_package({"config.pbtxt": CONFIG, "1/model.onnx": b"old"}))
    CutAfter(world, 5, ServerUnreachableError("cut"))
    world.service.update(
        "t", tree_package({"config.pbtxt": CONFIG, "1/model.onnx": b"slow 60\nnew"})
    )
    assert world.serves("t") == {1: b"slow 60\nnew"}


def test_a_request_that_never_got_there_is_sent_again(world):
    world.server.before_call = FailNth(ServerUnreachableError("reset"), method="load")
    world.service.update("iris", version_package(b"new", 2))
    assert world.serves("iris") == {2: b"new"}


def test_a_server_that_is_gone_is_not_waited_for(world):
    def die(call: ServerCall) -> None:
        if call.method == "load":
            world.server.kill()

    world.server.before_call = die
    with pytest.raises(ServerUnreachableError):
        world.service.update("iris", version_package(b"new", 2))
    assert sum(world.clock.sleeps) < 1


def test_a_failed_create_does_not_wait_for_a_server_that_others_keep_unready(world):
    world.store.seed({"x/1/model.onnx": b"broken x", "x/config.pbtxt": CONFIG})
    with pytest.raises(LoadFailedError):
        world.server.load("x", timeout=5)
    assert not world.server.is_ready()
    began = world.clock.monotonic()
    with pytest.raises(LoadFailedError, match="Nothing was left"):
        world.service.create("new", version_package(b"broken too"))
    assert world.clock.monotonic() - began < 5
