"""The harness of `MemoryStore`, which is also the example for those of other stores."""

from __future__ import annotations

from triton_deploy_core.ports.store import StoredObject
from triton_deploy_core.testing.memory_store import MemoryStore


class MemoryHarness:
    """A `StoreHarness`.

    Args:
        is_object_store: see `MemoryStore`.
    """

    def __init__(self, *, is_object_store: bool = False) -> None:
        self._elsewhere = MemoryStore(name="elsewhere")
        self.store = MemoryStore(remotes=[self._elsewhere], is_object_store=is_object_store)

    def another(self) -> MemoryStore:
        """See `StoreHarness.another`."""
        return self.store.survivor()

    def missing(self) -> MemoryStore:
        """See `StoreHarness.missing`."""
        store = MemoryStore(name="missing")
        store.destroy()
        return store

    def raw_write(self, key: str, data: bytes) -> None:
        """See `StoreHarness.raw_write`."""
        self.store.seed({key: data})

    def raw_snapshot(self) -> dict[str, bytes]:
        """See `StoreHarness.raw_snapshot`."""
        return self.store.snapshot()

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        self._elsewhere.seed({"some/object": data})
        return StoredObject(self._elsewhere.uri("some/object"), len(data))

    def close(self) -> None:
        """See `StoreHarness.close`."""
