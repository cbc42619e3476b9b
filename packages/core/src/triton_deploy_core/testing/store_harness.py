"""What a contract suite needs of a store: the store, and a way around it.

Reading and writing around the adapter keeps a bug in it from hiding itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from triton_deploy_core.keys import without_implied
from triton_deploy_core.ports.store import BlobStore, StoredObject


class StoreHarness(Protocol):
    """One empty repository, made for one test."""

    @property
    def store(self) -> BlobStore:
        """The store to test. Asked again, it is the same one."""
        ...

    def another(self) -> BlobStore:
        """Return a second, independent instance for the same repository."""
        ...

    def missing(self) -> BlobStore:
        """Return a store whose repository does not exist."""
        ...

    def raw_write(self, key: str, data: bytes) -> None:
        """Put a file or a directory marker, around the adapter."""
        ...

    def raw_snapshot(self) -> Mapping[str, bytes]:
        """Return all files and directory markers, around the adapter.

        Whatever the adapter keeps for itself is left out, files that it leaves unfinished are not.
        """
        ...

    def stored_object(self, data: bytes) -> StoredObject | None:
        """Make an object outside the repository, of the kind that `StoredObject` names.

        None where the store declares no scheme to copy from.
        """
        ...

    def close(self) -> None:
        """Remove the repository."""
        ...


def visible(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files without the markers that mean nothing, since something is in the directory."""
    kept = without_implied(files)
    return {key: data for key, data in files.items() if key in kept}
