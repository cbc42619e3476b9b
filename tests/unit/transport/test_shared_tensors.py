"""What goes through shared memory, what does not, and what comes after a failure."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.errors import (
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_core.ports.request_options import (
    RequestedOutput,
    RequestOptions,
    SequenceStep,
)
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_transport import _region_pool, _shared_region, _shared_tensors
from triton_deploy_transport._infer_request import InferRequest
from triton_deploy_transport._region_pool import RegionPool
from triton_deploy_transport._region_support import has_regions
from triton_deploy_transport._same_machine import is_this_machine
from triton_deploy_transport._server_url import ServerUrl
from triton_deploy_transport._shared_tensors import SharedTensors
from triton_deploy_transport._tensor_bytes import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from triton_deploy_transport._shared_region import Region

LEAST = 1 << 12
LARGE = np.arange(LEAST, dtype=np.float32).reshape(4, -1)
SMALL = np.ones((1, 4), np.float32)
STEP = RequestOptions(sequence=SequenceStep(1, start=True))


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Any directory can be mapped: what a test leaves there is seen, and is in nobody's way."""
    monkeypatch.setattr(_shared_region, "_DIRECTORY", tmp_path)
    return tmp_path


def refused(reason: str) -> RequestRefusedError:
    return RequestRefusedError(f"refused: {reason}", reason=reason)


@dataclass
class Regions:
    """A server's side of shared memory."""

    names: list[str] = field(default_factory=list)
    in_use: set[str] = field(default_factory=set)
    fails: Exception | None = None
    calls: list[str] = field(default_factory=list)

    def supports_regions(self, *, timeout: float) -> bool:
        self.calls.append("supports")
        return timeout > 0

    def register(self, region: Region, *, timeout: float) -> None:
        self.calls.append("register")
        if self.fails is not None:
            raise self.fails
        assert (_shared_region._DIRECTORY / region.name).stat().st_blocks == 0
        self.names.append(region.name)

    def unregister(self, name: str, *, timeout: float) -> None:
        if name in self.in_use:
            raise refused("it is currently in use")
        if name in self.names:
            self.names.remove(name)

    def registered(self, *, timeout: float) -> list[str]:
        return list(self.names)


class Doubling:
    """A model that answers with twice its inputs, by the wire or where it is told to."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions
        self.requests: list[InferRequest] = []
        self.outputs: tuple[str, ...] = ("OUT",)
        self.rows = 1
        self.fails: list[Exception] = []

    def metadata(self, name: str) -> ModelMetadata:
        specs = tuple(TensorSpec(output, "FP32", (-1, -1)) for output in self.outputs)
        return ModelMetadata(name, (1,), "", (), specs)

    def send(self, request: InferRequest, timeout: float) -> Any:
        self.requests.append(request)
        places = {**request.input_places, **request.output_places}
        if self.fails:
            raise self.fails.pop(0)
        for place in places.values():
            if place.region not in self.regions.names:
                raise refused(f"Unable to find shared memory region: '{place.region}'")
        array = request.inputs["IN"]
        if request.input_places:
            array = copied(request.input_places["IN"].memory, "FP32", array.shape)
        answer = np.concatenate([array * 2] * self.rows)
        asked = self.outputs
        if request.options is not None and request.options.outputs:
            asked = tuple(output.name for output in request.options.outputs)
        found = {}
        for name in asked:
            if name not in self.outputs:
                raise refused(f"unexpected inference output '{name}' for model 'm'")
            place = request.output_places.get(name)
            if place is None:
                found[name] = answer
                continue
            if answer.nbytes > place.memory.size:
                raise refused("shared memory size specified with the request for output 'OUT'")
            place.memory[: answer.nbytes] = answer.reshape(-1).view(np.uint8)
            found[name] = copied(place.memory, "FP32", answer.shape)
        return found


@dataclass
class World:
    clock: FakeClock
    regions: Regions
    model: Doubling
    shared: SharedTensors

    def ask(self, array: Any = LARGE, options: RequestOptions | None = None) -> InferRequest:
        """Ask once, see that the answer is right, and return the last request that was sent."""
        request = InferRequest("m", {"IN": array}, options)
        answer = self.shared.infer(request, self.model.send, timeout=60)
        assert answer.keys() == {
            output.name for output in (options.outputs if options else ())
        } or answer.keys() == set(self.model.outputs)
        for output in answer.values():
            np.testing.assert_array_equal(output, np.concatenate([array * 2] * self.model.rows))
        return self.model.requests[-1]


@pytest.fixture
def world() -> Iterator[World]:
    yield (made := a_world())
    made.shared.close()
    assert not made.regions.names


def a_world(**settings: Any) -> World:
    clock, regions = FakeClock(), Regions()
    model = Doubling(regions)
    shared = SharedTensors(
        regions,
        ServerUrl.parse(settings.pop("url", "127.0.0.1:8000")),
        metadata=model.metadata,
        clock=clock,
        least_bytes=LEAST,
        **settings,
    )
    return World(clock, regions, model, shared)


def is_plain(request: InferRequest) -> bool:
    return not request.input_places and not request.output_places


def test_large_tensors_and_no_others(world: World, directory: Path) -> None:
    assert is_plain(world.ask(SMALL))
    assert not world.regions.calls
    first, second, third = (world.ask() for _ in range(3))
    assert first.input_places
    assert not first.output_places
    assert second.input_places
    assert second.output_places
    assert third.input_places["IN"].region == second.input_places["IN"].region
    assert world.regions.calls.count("supports") == 1
    assert world.regions.calls.count("register") == 2
    assert not list(directory.iterdir())
    texts = np.array(["x" * 20] * LEAST)
    assert not world.shared._is_large(texts)
    assert not world.shared._is_large(np.zeros(LEAST, complex))


def test_small_inputs_of_a_model_with_large_outputs(world: World) -> None:
    world.model.rows = LEAST
    assert is_plain(world.ask(SMALL))
    request = world.ask(SMALL)
    assert request.output_places
    assert not request.input_places


@pytest.mark.parametrize("settings", [{"enabled": False}, {"url": "192.0.2.1:8000"}])
def test_switched_off_or_on_another_machine(settings: dict[str, Any]) -> None:
    world = a_world(**settings)
    assert is_plain(world.ask())
    assert is_plain(world.ask())
    assert not world.regions.calls


@pytest.mark.parametrize("error", [refused("Unable to open"), ServerUnreachableError("gone")])
def test_a_server_that_opens_no_region_is_asked_again_later(
    world: World, directory: Path, error: Exception
) -> None:
    world.regions.fails = error
    assert is_plain(world.ask())
    assert is_plain(world.ask())
    assert world.regions.calls.count("register") == 1
    assert not list(directory.iterdir())
    world.regions.fails = None
    world.clock.sleep(61)
    assert not is_plain(world.ask())


def test_no_memory_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert is_plain(world.ask())
    assert not world.regions.names


def test_a_server_that_forgot(world: World) -> None:
    world.ask()
    world.ask()
    world.regions.names.clear()  # as it does when it is started anew
    assert is_plain(world.ask())
    world.clock.sleep(2)
    assert not is_plain(world.ask())
    assert len(world.regions.names) == 1


def test_outputs_that_are_larger_than_before(world: World) -> None:
    world.ask()
    for rows in (2, 3, 4):
        world.model.rows = rows
        assert is_plain(world.ask())
    request = world.ask()
    assert request.input_places
    assert not request.output_places


def test_outputs_that_are_smaller_than_before(world: World) -> None:
    world.model.rows = 3
    world.ask()
    world.model.rows = 1
    assert world.ask().output_places


def test_a_model_that_was_replaced(world: World) -> None:
    world.ask()
    assert world.ask().output_places
    world.model.outputs = ("OUT", "MORE")
    assert is_plain(world.ask())
    world.ask()
    assert set(world.ask().output_places) == {"OUT", "MORE"}
    world.model.outputs = ("OTHER",)
    assert is_plain(world.ask())


def test_options(world: World) -> None:
    asked = RequestOptions(request_id="7", outputs=(RequestedOutput("OUT"),))
    world.ask(options=asked)
    request = world.ask(options=asked)
    assert request.output_places.keys() == {"OUT"}
    assert request.options == asked
    step = RequestOptions(sequence=SequenceStep(1))
    world.ask(options=step)
    assert not world.ask(options=step).output_places
    version = RequestOptions(version=1)
    world.ask(options=version)
    assert not world.ask(options=version).output_places


def test_other_refusals_are_the_caller_s(world: World) -> None:
    world.ask()
    world.model.fails = [refused("the model failed")]
    with pytest.raises(RequestRefusedError, match="the model failed"):
        world.ask()
    assert not is_plain(world.ask())


def test_memory_of_a_request_without_an_answer_is_not_used_again(world: World) -> None:
    used = world.ask().input_places["IN"].region
    world.ask()
    world.model.fails = [ServerTimeoutError("late")]
    with pytest.raises(ServerTimeoutError):
        world.ask()
    lost = world.model.requests[-1].input_places["IN"].region
    world.regions.in_use.add(lost)
    for _ in range(3):
        assert world.ask().input_places["IN"].region not in {lost, used}
    assert lost in world.regions.names
    world.regions.in_use.clear()


def test_many_under_way_have_memory_of_their_own(world: World) -> None:
    @dataclass
    class Sent:
        request: InferRequest

        def result(self) -> Any:
            return world.model.send(self.request, 1)

        def cancel(self) -> None:
            pass

    arrays = [LARGE + number for number in range(5)]
    pending = [
        world.shared.begin(
            InferRequest("m", {"IN": array}), lambda request, _: Sent(request), timeout=60
        )
        for array in arrays
    ]
    pending.pop().cancel()
    for array, sent in zip(arrays, pending, strict=False):
        np.testing.assert_array_equal(sent.result()["OUT"], array * 2)


def test_the_pool_has_a_limit(directory: Path) -> None:
    regions = Regions()
    pool = RegionPool(regions, limit=1 << 20)
    first = pool.lend(1 << 19, timeout=1)
    second = pool.lend(1 << 19, timeout=1)
    assert first
    assert second
    assert pool.lend(1, timeout=1) is None
    pool.give_back(first)
    assert pool.lend(1 << 18, timeout=1) is first
    pool.give_back(first)
    assert pool.lend(1 << 21, timeout=1) is None
    pool.give_back(second)
    whole = pool.lend(1 << 20, timeout=1)
    assert whole
    assert regions.names == [whole.name]
    del pool
    gc.collect()
    whole.close()


def test_a_region_that_comes_while_the_server_is_asked_what_it_has_is_kept() -> None:
    regions = Regions()
    pool = RegionPool(regions)
    registered = regions.registered

    def slowly(*, timeout: float) -> list[str]:
        names = registered(timeout=timeout)
        regions.registered = registered  # type: ignore[method-assign]
        coming = pool.lend(LEAST, timeout=timeout)
        assert coming
        pool.give_back(coming)
        return names

    first = pool.lend(LEAST, timeout=1)
    assert first
    pool.lose(first)
    regions.registered = slowly  # type: ignore[method-assign]
    pool.drop_unknown(timeout=1)
    found = pool.lend(LEAST, timeout=1)
    assert found
    assert regions.names == [found.name]
    pool.give_back(found)
    pool.close()
    assert not regions.names


def test_memory_of_a_request_that_is_interrupted_while_it_is_written_is_used_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = world.ask().input_places["IN"].region

    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_shared_tensors, "write_into", interrupted)
        with pytest.raises(KeyboardInterrupt):
            world.shared.infer(InferRequest("m", {"IN": LARGE}, STEP), world.model.send, timeout=60)
    assert world.ask(options=STEP).input_places["IN"].region == region


def test_the_end_of_a_pool_is_the_end_of_its_regions() -> None:
    regions = Regions()
    pool = RegionPool(regions)
    region = pool.lend(LEAST, timeout=1)
    assert region
    pool.give_back(region)
    assert regions.names
    del pool
    gc.collect()
    assert not regions.names


def test_a_child_leaves_alone_what_its_parent_has(monkeypatch: pytest.MonkeyPatch) -> None:
    regions = Regions()
    pool = RegionPool(regions)
    region = pool.lend(LEAST, timeout=1)
    assert region
    pool.give_back(region)
    monkeypatch.setattr(_region_pool.os, "getpid", lambda: -1)
    pool.close()
    assert regions.names == [region.name]


def test_what_dead_processes_left_is_removed(directory: Path) -> None:
    regions = Regions()
    mine = RegionPool(regions).lend(LEAST, timeout=1)
    assert mine
    identity, _, token = mine.name.rpartition(".")
    *machine, _process, started = identity.split(".")
    dead = ".".join([*machine, "999999999", started, token])
    (directory / dead).touch()
    regions.names += [dead, "another's"]
    mine.close()
    region = RegionPool(regions).lend(LEAST, timeout=1)
    assert region
    assert dead not in regions.names
    assert "another's" in regions.names
    assert not list(directory.iterdir())
    region.close()


def test_who_shares_memory() -> None:
    known = ["statistics", "system_shared_memory"]
    assert has_regions("triton", "2.51.0", known)
    assert has_regions("triton", "3.0.0dev", known)
    assert not has_regions("triton", "2.50.0", known)
    assert not has_regions("triton", "2.51.0", ["statistics"])
    assert not has_regions("another", "2.60.0", known)
    assert not has_regions("triton", "", known)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.3", "localhost"])
def test_this_machine(host: str) -> None:
    assert is_this_machine(host, 8000)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "nobody.invalid"])
def test_another_machine(host: str) -> None:
    assert not is_this_machine(host, 8000)
