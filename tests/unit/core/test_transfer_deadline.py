from __future__ import annotations

import pytest

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.world import SimulatedWorld, version_package
from triton_deploy_core.transfer_deadline import SLOWEST_BYTES_PER_SECOND, TimedProgress


def test_a_transfer_may_take_longer_the_larger_it_is():
    clock = FakeClock()
    progress = TimedProgress(NoProgress(), clock, 60)
    progress.total(100 * SLOWEST_BYTES_PER_SECOND)
    clock.advance(159)
    progress.advance(1)
    clock.advance(1)
    with pytest.raises(StoreUnavailableError, match=r"not over after 160 s.*timeout"):
        progress.advance(1)
    progress.total(1)
    progress.advance(1)


def test_an_update_whose_transfer_takes_too_long_is_taken_back():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"old", 1))
    before = world.store.snapshot()
    world.store.faults = lambda moment: (
        world.clock.advance(601) if moment.call.method == "transfer" else None
    )
    with pytest.raises(StoreUnavailableError, match="not over after 600 s"):
        world.new_service(timeout=600).update("iris", version_package(b"new", 2))
    assert world.store.snapshot() == before
    assert world.serves("iris") == {1: b"old"}
