"""Ctrl-C, once and once more: what was begun is put back, or left to the next operation."""

from __future__ import annotations

import pytest

from triton_deploy_core.repairing import Outcome
from triton_deploy_core.testing.store_faults import CountMoments, Moment
from triton_deploy_core.testing.world import SimulatedWorld, version_package


class InterruptAt:
    """Ctrl-C at each of some moments."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __call__(self, moment: Moment, /) -> None:
        if moment.number in self._numbers:
            raise KeyboardInterrupt


def world_with(faults) -> SimulatedWorld:
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"old", 1))
    world.new_process(faults)
    return world


def uploading() -> int:
    """The moment in which the new model is being written."""
    counter = CountMoments()
    world_with(counter).service.update("iris", version_package(b"new", 2))
    return next(m.number for m in counter.moments if m.call.method == "transfer")


def test_the_first_puts_back_what_was_begun(warnings_told):
    world = world_with(InterruptAt(uploading()))
    before = world.files("iris")
    with pytest.raises(KeyboardInterrupt):
        world.service.update("iris", version_package(b"new", 2))
    assert world.files("iris") == before
    assert warnings_told()[0].startswith("Interrupted: putting 'iris' back as it was.")
    assert not world.service.get("iris").is_repairable


def test_the_second_leaves_that_to_the_next_operation(warnings_told):
    first = uploading()
    world = world_with(InterruptAt(first, first + 1))
    with pytest.raises(KeyboardInterrupt):
        world.service.update("iris", version_package(b"new", 2))
    assert warnings_told()[1:] == [
        "Interrupted again. It was not put back: the next operation on 'iris' does that."
    ]
    assert world.service.get("iris").is_repairable
    assert world.service.repair("iris")[0].outcome is Outcome.REPAIRED
    assert world.serves("iris") == {1: b"old"}
