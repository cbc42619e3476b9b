"""Reads no part of an object twice while a model is open: each one is a request to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_deploy_core.ports.objects import ObjectReader
    from triton_deploy_core.ports.store import StoredObject

_LONGEST = 1 << 20
_MOST = 16 << 20


@dataclass(frozen=True, slots=True)
class RememberedObjects:
    """An `ObjectReader` that keeps the short parts that it has read: 16 MiB at most.

    Only what has a tag is kept, and asked for again by just that tag: its bytes can't differ.
    """

    reader: ObjectReader
    _parts: dict[tuple[StoredObject, int, int], bytes] = field(default_factory=dict)

    def reaches(self, uri: str, endpoint: str | None) -> bool:
        """See `ObjectReader.reaches`."""
        return self.reader.reaches(uri, endpoint)

    def list(self, uri: str) -> Mapping[str, StoredObject]:
        """See `ObjectReader.list`."""
        return self.reader.list(uri)

    def read(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """See `ObjectReader.read`."""
        key = stored, offset, length
        known = self._parts.get(key)
        if known is not None:
            return known
        data = self.reader.read(stored, offset, length)
        kept = sum(map(len, self._parts.values()))
        if stored.etag and len(data) <= _LONGEST and kept + len(data) <= _MOST:
            self._parts[key] = data
        return data
