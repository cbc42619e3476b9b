"""Version numbers that a writer which was overtaken may still change: they are never given again.

On an object store such a writer can have a transfer or a delete under way when another takes its
lease over, and no condition holds that up. So it meets version directories that nothing serves and
that no other package gets. What arrives there is removed by the next operation that finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import fence_key
from triton_deploy_core.errors import StoreError, StoreUnavailableError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import BlobStore

_FORMAT = 1
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fence:
    """The numbers of one name.

    Attributes:
        versions: all of them.
        arriving: those in which files may still arrive. No configuration shows them.
    """

    versions: frozenset[int] = frozenset()
    arriving: frozenset[int] = frozenset()

    def encode(self) -> bytes:
        """Return the file's content."""
        numbers = {"versions": sorted(self.versions), "arriving": sorted(self.arriving)}
        return json.dumps({"format": _FORMAT, **numbers}, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Fence:
        """Read the file. One that can't be read fences nothing."""
        try:
            fields = json.loads(data) if len(data) <= _MAX_BYTES else {}
            if fields["format"] != _FORMAT:
                return cls()
            versions, arriving = (
                frozenset(filter(layout.is_version, fields[key]))
                for key in ("versions", "arriving")
            )
            return cls(versions | arriving, arriving)
        except (ValueError, LookupError, TypeError, RecursionError):
            return cls()

    @classmethod
    def read(cls, store: BlobStore, name: DeploymentName) -> Fence:
        """Read the file of a name; none fences nothing."""
        try:
            return cls.decode(store.read(fence_key(name)).data)
        except StoreUnavailableError:
            raise
        except StoreError:
            return cls()

    def late(self, paths: Iterable[str]) -> set[str]:
        """Return those of the paths in a model's directory that a late writer has brought."""
        return {path for path in paths if layout.version_of(path) in self.arriving}
