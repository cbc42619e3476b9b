"""A fleet keeps the laws of one server: of one member, and of three; with streams and without."""

from __future__ import annotations

import pytest

from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_core.testing.simulator_harness import SimulatorHarness


@pytest.fixture(
    scope="module",
    params=[(1, ()), (1, (1,)), (3, ()), (3, (1, 3))],
    ids=["one", "one-without-streams", "three", "three-of-which-one-streams"],
)
def harness(request: pytest.FixtureRequest) -> ServerHarness:
    count, without_streams = request.param
    return SimulatorHarness(fleet_of=count, without_streams=without_streams)


class TestFleet(InferenceServerContract):
    pass
