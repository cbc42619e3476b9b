"""Simulated Tritons that read one repository, and the fleet that they are."""

from __future__ import annotations

from triton_deploy_core.clock import Clock
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.rollout import Rollout
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton


def simulated_servers(
    count: int, store: BlobStore, clock: Clock, *, mode: ControlMode = ControlMode.EXPLICIT
) -> list[SimulatedTriton]:
    """Return so many servers, ``triton-1:8000`` and so on, that read one repository."""
    return [
        SimulatedTriton(store, clock=clock, mode=mode, url=f"triton-{number}:8000")
        for number in range(1, count + 1)
    ]


def simulated_fleet(
    count: int, store: BlobStore, clock: Clock, rollout: Rollout | None = None
) -> Fleet:
    """Return a fleet of so many of them."""
    return Fleet(simulated_servers(count, store, clock), rollout)
