"""An adapter of one's own: any model repository, with every change told to somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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


class AuditedStore:
    """A `BlobStore` that tells what it has changed in another."""

    def __init__(self, inner: BlobStore, tell: Callable[[str], None]) -> None:
        self._inner = inner
        self._tell = tell

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return self._inner.location

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return self._inner.capabilities

    def check(self) -> None:
        """See `BlobStore.check`."""
        self._inner.check()

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        return self._inner.directories()

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`."""
        return self._inner.list(prefix)

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        return self._inner.read(key)

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        return self._inner.age(key)

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`."""
        etag = self._inner.write(key, data, condition=condition, guard=guard)
        self._tell(f"wrote {key}")
        return etag

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        self._inner.transfer(transfers, progress, guard=guard)
        for item in transfers:
            self._tell(f"put {item.key}")

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """See `BlobStore.delete`."""
        doomed = list(keys)
        self._inner.delete(doomed, guard=guard, condition=condition)
        for key in doomed:
            self._tell(f"deleted {key}")
