"""`MemoryStore` keeps the contract that real repositories keep, also with faults around it."""

from __future__ import annotations

from triton_deploy_core.testing.faulty_store import FaultyStore
from triton_deploy_core.testing.memory_harness import MemoryHarness
from triton_deploy_core.testing.store_contract import BlobStoreContract
from triton_deploy_core.testing.store_faults import CountMoments


class TestMemoryStore(BlobStoreContract):
    def make_harness(self, tmp_path: object) -> MemoryHarness:
        return MemoryHarness()


class FaultyHarness(MemoryHarness):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.store = self.store, FaultyStore(self.store, CountMoments())

    def another(self) -> FaultyStore:
        return FaultyStore(self.inner.survivor(), CountMoments())

    def raw_write(self, key: str, data: bytes) -> None:
        self.inner.seed({key: data})

    def raw_snapshot(self) -> dict[str, bytes]:
        return self.inner.snapshot()


class TestFaultyStore(BlobStoreContract):
    def make_harness(self, tmp_path: object) -> FaultyHarness:
        return FaultyHarness()


class TestMemoryStoreLikeAnObjectStore(BlobStoreContract):
    def make_harness(self, tmp_path: object) -> MemoryHarness:
        return MemoryHarness(is_object_store=True)
