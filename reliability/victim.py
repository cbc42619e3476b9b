"""The process that is killed: ``python -m reliability.victim LOCATION URL SCENARIO STEP``.

Prints the step before which it dies; ``done`` where there are fewer steps than that.
"""

from __future__ import annotations

import sys

from reliability.plug import Plug, PluggedServer, PluggedStore
from reliability.scenarios import SCENARIOS
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat


def main(location: str, url: str, scenario: str, step: str) -> None:
    """Carry the scenario out, and die before a step of it."""
    plug = Plug(int(step))
    service = DeploymentService(
        PluggedStore(open_store(location), plug), PluggedServer(connect(url), plug), PbtxtFormat()
    )
    SCENARIOS[scenario].act(service)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
