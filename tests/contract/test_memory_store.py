"""`MemoryStore` keeps the contract that real repositories keep."""

from __future__ import annotations

from triton_deploy_core.testing.memory_harness import MemoryHarness
from triton_deploy_core.testing.store_contract import BlobStoreContract


class TestMemoryStore(BlobStoreContract):
    def make_harness(self, tmp_path: object) -> MemoryHarness:
        return MemoryHarness()
