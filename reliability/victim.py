"""The process that it happens to: ``-m reliability.victim LOCATION URL SCENARIO FAULT STEP``.

Prints the step before which it happens, and the error with which the operation ends; ``done`` where
there are fewer steps than that.
"""

from __future__ import annotations

import sys

from reliability.plug import Fault, Plug, PluggedServer, StorePlug
from reliability.scenarios import SCENARIOS
from triton_deploy_core.errors import DeployError
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.faulty_store import FaultyStore
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat


def main(location: str, url: str, scenario: str, fault: str, step: str) -> None:
    """Carry the scenario out, with a fault before a step of it."""
    plug = Plug(Fault(fault), int(step))
    store = FaultyStore(open_store(location), StorePlug(plug))
    service = DeploymentService(store, PluggedServer(connect(url), plug), PbtxtFormat())
    try:
        SCENARIOS[scenario].act(service)
    except DeployError as error:
        if not plug.is_pulled:
            raise
        print(type(error).__name__, flush=True)
    if not plug.is_pulled:
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
