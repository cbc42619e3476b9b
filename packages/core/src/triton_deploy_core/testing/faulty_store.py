"""Faults for any store: what `MemoryStore` has built in, around a real one.

::

    death = SuddenDeath(after=3)
    service = DeploymentService(FaultyStore(LocalStore("models"), death), server, PbtxtFormat())
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from triton_deploy_core.keys import check_key, check_transfer
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobContent,
    BlobStore,
    Capabilities,
    Condition,
    Guard,
    IfUnchanged,
    Transfer,
)
from triton_deploy_core.testing.store_faults import FaultHook, Moment, StoreCall


class FaultyStore:
    """A `BlobStore` that tells a hook of each moment, and hands all calls on to another.

    Files are transferred and deleted one after another, so that there is a moment before and after
    each.

    Args:
        store: the one that does the work.
        faults: told of each moment; may raise.
    """

    def __init__(self, store: BlobStore, faults: FaultHook) -> None:
        self._store = store
        self._faults = faults
        self._moments = 0

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return self._store.location

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return self._store.capabilities

    def check(self) -> None:
        """See `BlobStore.check`."""
        call = StoreCall("check")
        self._at(call, "", done=False)
        self._store.check()
        self._at(call, "", done=True)

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        call = StoreCall("directories")
        self._at(call, "", done=False)
        yield from self._store.directories()
        self._at(call, "", done=True)

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`."""
        call = StoreCall("list", (prefix,))
        self._at(call, prefix, done=False)
        yield from self._store.list(prefix)
        self._at(call, prefix, done=True)

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        call = StoreCall("read", (key,))
        self._at(call, key, done=False)
        content = self._store.read(key)
        self._at(call, key, done=True)
        return content

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        call = StoreCall("age", (key,))
        self._at(call, key, done=False)
        age = self._store.age(key)
        self._at(call, key, done=True)
        return age

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`."""
        call = StoreCall("write", (key,))
        self._at(call, key, done=False)
        etag = self._store.write(key, data, condition=condition, guard=guard)
        self._at(call, key, done=True)
        return etag

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        for item in transfers:
            check_transfer(item)
        call = StoreCall("transfer", tuple(item.key for item in transfers))
        progress.total(sum(item.source.size for item in transfers))
        one_by_one = _WithoutTotal(progress)
        for item in transfers:
            self._at(call, item.key, done=False)
            self._store.transfer([item], one_by_one, guard=guard)
            self._at(call, item.key, done=True)

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """See `BlobStore.delete`."""
        doomed = list(keys)
        for key in doomed:
            check_key(key)
        call = StoreCall("delete", tuple(doomed))
        for key in doomed:
            self._at(call, key, done=False)
            self._store.delete([key], guard=guard, condition=condition)
            self._at(call, key, done=True)

    def _at(self, call: StoreCall, key: str, *, done: bool) -> None:
        moment = Moment(self._moments, call, key, done)
        self._moments += 1
        self._faults(moment)


class _WithoutTotal:
    """Progress of a part of what somebody has told the total of."""

    def __init__(self, progress: Progress) -> None:
        self.step = progress.step
        self.advance = progress.advance

    def total(self, size: int) -> None:
        """See `Progress.total`: it has been told."""
