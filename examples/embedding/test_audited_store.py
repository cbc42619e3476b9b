"""The adapter keeps the contract of all repositories; the tool works on the simulated Triton."""

from __future__ import annotations

from pathlib import Path

from audited_store import AuditedStore
from release import Releases

from triton_deploy_core.ports.store import BlobStore, StoredObject
from triton_deploy_core.testing.memory_harness import MemoryHarness
from triton_deploy_core.testing.store_contract import BlobStoreContract
from triton_deploy_core.testing.world import SimulatedWorld


class AuditedHarness:
    """A `StoreHarness`: what it does around the adapter is done to the store below it."""

    def __init__(self) -> None:
        self._below = MemoryHarness()
        self.audit: list[str] = []
        self.store: BlobStore = AuditedStore(self._below.store, self.audit.append)

    def another(self) -> BlobStore:
        """See `StoreHarness.another`."""
        return AuditedStore(self._below.another(), self.audit.append)

    def missing(self) -> BlobStore:
        """See `StoreHarness.missing`."""
        return AuditedStore(self._below.missing(), self.audit.append)

    def raw_write(self, key: str, data: bytes) -> None:
        """See `StoreHarness.raw_write`."""
        self._below.raw_write(key, data)

    def raw_snapshot(self) -> dict[str, bytes]:
        """See `StoreHarness.raw_snapshot`."""
        return self._below.raw_snapshot()

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        return self._below.stored_object(data)

    def close(self) -> None:
        """See `StoreHarness.close`."""
        self._below.close()


class TestAuditedStore(BlobStoreContract):
    """Every law of the port."""

    many = 200

    def make_harness(self, tmp_path: Path) -> AuditedHarness:
        """Return an empty repository."""
        return AuditedHarness()


def test_every_change_is_told(tmp_path: Path) -> None:
    """From a file to a model that serves, and what was written for it."""
    world = SimulatedWorld()
    audit: list[str] = []
    service = world.new_service(store=AuditedStore(world.store, audit.append))
    model = tmp_path / "model.onnx"
    model.write_bytes(b"weights")
    deployment = Releases(service).put("iris", model)
    assert deployment.version == 1
    assert "put iris/1/model.onnx" in audit
    assert Releases(service).broken() == []
