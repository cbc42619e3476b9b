"""`MemoryStore` behaves like a dict, whatever is done to it."""

from __future__ import annotations

from triton_deploy_core.testing.memory_harness import MemoryHarness
from triton_deploy_core.testing.store_machine import store_machine

TestMemoryStoreMachine = store_machine(MemoryHarness).TestCase
