"""An update over many simulated servers whose every answer takes its time, against one of them."""

from __future__ import annotations

import time

from benchmarks.results import Result
from benchmarks.sizes import Size
from triton_deploy_core.testing.world import SimulatedWorld, version_package

ANSWER_SECONDS = 0.05
SERVERS = (1, 10, 100)


def run(size: Size) -> list[Result]:
    best = {servers: min(_update(servers) for _ in range(size.rounds)) for servers in SERVERS}
    return [
        Result(
            benchmark="fleet",
            case=f"update a fleet of {servers}, {ANSWER_SECONDS * 1000:g} ms an answer",
            way="this project",
            ours=True,
            value=seconds,
            unit="s",
            ratio=seconds / best[1],
            baseline="a fleet of 1",
        )
        for servers, seconds in best.items()
    ]


def _update(servers: int) -> float:
    world = SimulatedWorld(fleet_of=servers)
    world.service.create("iris", version_package(b"old", 1))
    for server in world.servers:
        server.unload_seconds = 0.0  # of the simulated time, which does not pass by waiting here
        server.before_call = lambda _: time.sleep(ANSWER_SECONDS)
    began = time.perf_counter()
    world.service.update("iris", version_package(b"new", 2))
    return time.perf_counter() - began
