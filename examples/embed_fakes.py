#!/usr/bin/env python3
"""The same on the fakes that the core ships: no server, no file, for tests of your own tools."""

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.testing.world import SimulatedWorld, version_package

world = SimulatedWorld()
world.service.create("iris", version_package(b"first weights"))
try:
    world.service.update("iris", version_package(b"broken weights of the wrong shape"))
except LoadFailedError as error:
    print(error)
print(world.serves("iris"), "ready:", world.server.is_ready())
