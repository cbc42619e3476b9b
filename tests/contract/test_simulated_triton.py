from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import pytest

from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton


class SimulatorHarness(ServerHarness):
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.server = SimulatedTriton(self.store, clock=self.clock)

    def put(self, key: str, data: bytes) -> None:
        self.store.seed({key: data})

    def remove(self, key: str) -> None:
        keys = self.store.snapshot()
        self.store.delete(found for found in keys if found == key or found.startswith(f"{key}/"))

    def identity(self, datatype: str, tag: str) -> Mapping[str, bytes]:
        return {"model.py": f"# {datatype} {tag}".encode()}

    def rows(self) -> Mapping[str, bytes]:
        return {"model.py": b"# row by row"}

    def broken(self) -> Mapping[str, bytes]:
        return {"model.py": b"broken by intent, says the broken file"}

    def unreachable(self) -> InferenceServer:
        server = SimulatedTriton(self.store, clock=self.clock)
        server.kill()
        return server

    def not_explicit(self) -> AbstractContextManager[InferenceServer]:
        return nullcontext(SimulatedTriton(self.store, clock=self.clock, mode=ControlMode.NONE))


@pytest.fixture(scope="module")
def harness() -> ServerHarness:
    return SimulatorHarness()


class TestSimulatedTriton(InferenceServerContract):
    pass
