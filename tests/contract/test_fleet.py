"""A fleet keeps the laws of one server: of one member, and of three."""

from __future__ import annotations

import pytest

from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_core.testing.simulator_harness import SimulatorHarness


@pytest.fixture(scope="module", params=[1, 3], ids=["one", "three"])
def harness(request: pytest.FixtureRequest) -> ServerHarness:
    return SimulatorHarness(fleet_of=request.param)


class TestFleet(InferenceServerContract):
    pass
