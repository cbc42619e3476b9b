"""Simulated Tritons that read one repository, for a `Fleet`."""

from __future__ import annotations

from collections.abc import Collection

from triton_deploy_core.clock import Clock
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton


def simulated_servers(
    count: int,
    store: BlobStore,
    clock: Clock,
    *,
    mode: ControlMode = ControlMode.EXPLICIT,
    without_streams: Collection[int] = (),
) -> list[SimulatedTriton]:
    """Return so many servers, ``triton-1:8000`` and so on, that read one repository.

    Args:
        count: how many.
        store: the repository.
        clock: where time comes from.
        mode: of each.
        without_streams: the numbers of those that have no streams.
    """
    return [
        SimulatedTriton(
            store,
            clock=clock,
            mode=mode,
            url=f"triton-{number}:8000",
            streams=number not in without_streams,
        )
        for number in range(1, count + 1)
    ]
