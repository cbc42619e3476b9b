"""An update over many simulated servers whose every answer takes its time, against one of them."""

from __future__ import annotations

import time

from triton_deploy_core.testing.world import SimulatedWorld, version_package

ANSWER_SECONDS = 0.05
SERVERS = (1, 10, 100)


def run(rounds: int) -> None:
    """Print how long an update takes over one server and over many.

    Args:
        rounds: of which the best counts.
    """
    print(f"\n## fleet, {ANSWER_SECONDS * 1000:g} ms an answer", flush=True)
    alone = 0.0
    for servers in SERVERS:
        best = min(_update(servers) for _ in range(rounds))
        alone = alone or best
        print(f"update, {servers:>4} servers: {best:6.3f} s  {best / alone:5.2f} x", flush=True)


def _update(servers: int) -> float:
    world = SimulatedWorld(fleet_of=servers)
    world.service.create("iris", version_package(b"old", 1))
    for server in world.servers:
        server.unload_seconds = 0.0  # of the simulated time, which does not pass by waiting here
        server.before_call = lambda _: time.sleep(ANSWER_SECONDS)
    began = time.perf_counter()
    world.service.update("iris", version_package(b"new", 2))
    return time.perf_counter() - began
