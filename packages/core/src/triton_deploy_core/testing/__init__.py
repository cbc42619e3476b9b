"""Fakes, contract suites and hypothesis strategies for whoever builds on the core.

What is imported from here is found on first use: only the suites need pytest, and only the
strategies and state machines hypothesis (the extra ``testing``).

- `MemoryStore`, `SimulatedTriton` (`simulated_servers` for a fleet), `SimpleConfigFormat`,
  `FakeClock`: fakes of the ports, with state to look at, a call log and faults on purpose
  (`CrashAt`, `FailAt`, `FailNth`, …).
- `BlobStoreContract`, `ObjectReaderContract`, `InferenceServerContract`, `ConfigFormatContract`:
  suites that an adapter binds in some 20 lines, by way of `StoreHarness`, `ObjectHarness` and
  `ServerHarness`.
- `store_machine.store_machine`: a hypothesis state machine that compares a store with a dict.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_deploy_core.testing.clock import FakeClock
    from triton_deploy_core.testing.config_format import SimpleConfigFormat
    from triton_deploy_core.testing.config_format_contract import ConfigFormatContract
    from triton_deploy_core.testing.faulty_store import FaultyStore
    from triton_deploy_core.testing.memory_store import MemoryStore
    from triton_deploy_core.testing.object_reader_contract import (
        ObjectHarness,
        ObjectReaderContract,
    )
    from triton_deploy_core.testing.server_contract import InferenceServerContract
    from triton_deploy_core.testing.server_harness import ModelUnderTest, ServerHarness
    from triton_deploy_core.testing.simulated_calls import FailNth, ServerCall
    from triton_deploy_core.testing.simulated_fleet import simulated_servers
    from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton
    from triton_deploy_core.testing.simulator_harness import SimulatorHarness
    from triton_deploy_core.testing.store_contract import BlobStoreContract
    from triton_deploy_core.testing.store_faults import (
        CountMoments,
        CrashAt,
        FailAt,
        Moment,
        SimulatedCrash,
        StoreCall,
    )
    from triton_deploy_core.testing.store_harness import StoreHarness
    from triton_deploy_core.testing.sudden_death import SuddenDeath

__all__ = [
    "BlobStoreContract",
    "ConfigFormatContract",
    "ControlMode",
    "CountMoments",
    "CrashAt",
    "FailAt",
    "FailNth",
    "FakeClock",
    "FaultyStore",
    "InferenceServerContract",
    "MemoryStore",
    "ModelUnderTest",
    "Moment",
    "ObjectHarness",
    "ObjectReaderContract",
    "ServerCall",
    "ServerHarness",
    "SimpleConfigFormat",
    "SimulatedCrash",
    "SimulatedTriton",
    "SimulatorHarness",
    "StoreCall",
    "StoreHarness",
    "SuddenDeath",
    "simulated_servers",
]

_MODULES = {
    "clock": ("FakeClock",),
    "config_format": ("SimpleConfigFormat",),
    "config_format_contract": ("ConfigFormatContract",),
    "faulty_store": ("FaultyStore",),
    "memory_store": ("MemoryStore",),
    "object_reader_contract": ("ObjectHarness", "ObjectReaderContract"),
    "server_contract": ("InferenceServerContract",),
    "server_harness": ("ModelUnderTest", "ServerHarness"),
    "simulated_calls": ("FailNth", "ServerCall"),
    "simulated_fleet": ("simulated_servers",),
    "simulator": ("ControlMode", "SimulatedTriton"),
    "simulator_harness": ("SimulatorHarness",),
    "store_contract": ("BlobStoreContract",),
    "store_faults": (
        "CountMoments", "CrashAt", "FailAt", "Moment", "SimulatedCrash", "StoreCall",
    ),
    "store_harness": ("StoreHarness",),
    "sudden_death": ("SuddenDeath",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
