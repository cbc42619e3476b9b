"""The harness of `SimulatedTriton`, alone or as a fleet of several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext

from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_core.testing.simulated_fleet import simulated_servers
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton


class SimulatorHarness(ServerHarness):
    """A `ServerHarness`.

    Args:
        fleet_of: how many servers make a fleet; None: one server, as it is.
        without_streams: the numbers of those servers of a fleet that have no streams.
    """

    def __init__(
        self, *, fleet_of: int | None = None, without_streams: Collection[int] = ()
    ) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self._fleet_of = fleet_of
        self._without_streams = without_streams
        self.server = self._server()

    def put(self, key: str, data: bytes) -> None:
        """See `ServerHarness.put`."""
        self.store.seed({key: data})

    def remove(self, key: str) -> None:
        """See `ServerHarness.remove`."""
        keys = self.store.snapshot()
        self.store.delete(found for found in keys if found == key or found.startswith(f"{key}/"))

    def identity(self, datatype: str, tag: str) -> Mapping[str, bytes]:
        """See `ServerHarness.identity`."""
        return {"model.py": f"# {datatype} {tag}".encode()}

    def rows(self) -> Mapping[str, bytes]:
        """See `ServerHarness.rows`."""
        return {"model.py": b"# row by row"}

    def broken(self) -> Mapping[str, bytes]:
        """See `ServerHarness.broken`."""
        return {"model.py": b"broken by intent, says the broken file"}

    def unreachable(self) -> InferenceServer:
        """See `ServerHarness.unreachable`."""
        return self._server(reachable=False)

    def not_explicit(self) -> AbstractContextManager[InferenceServer]:
        """See `ServerHarness.not_explicit`."""
        return nullcontext(self._server(mode=ControlMode.NONE))

    def _server(
        self, *, mode: ControlMode = ControlMode.EXPLICIT, reachable: bool = True
    ) -> InferenceServer:
        if self._fleet_of is None:
            servers = [SimulatedTriton(self.store, clock=self.clock, mode=mode)]
        else:
            servers = simulated_servers(
                self._fleet_of,
                self.store,
                self.clock,
                mode=mode,
                without_streams=self._without_streams,
            )
        for server in servers:
            server.reachable = reachable
        return servers[0] if self._fleet_of is None else Fleet(servers)
