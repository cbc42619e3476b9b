from __future__ import annotations

import pytest

from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_core.testing.simulator_harness import SimulatorHarness


@pytest.fixture(scope="module")
def harness() -> ServerHarness:
    return SimulatorHarness()


class TestSimulatedTriton(InferenceServerContract):
    pass
