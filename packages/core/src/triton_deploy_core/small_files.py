"""How large a file may be that is read whole: records, journals, leases, configurations."""

from __future__ import annotations

from triton_deploy_core.errors import StoreError

MAX_SMALL_FILE_BYTES = 64 << 20
"""What `BlobStore.read` returns at most: a repository may hold files that others made to harm."""


def check_small(key: str, size: int, location: str) -> None:
    """Accept a file of this size, for an adapter that is about to read it.

    Raises:
        StoreError: it is too large to be read whole.
    """
    if size > MAX_SMALL_FILE_BYTES:
        raise StoreError(
            f"{key!r} in {location} has {size} bytes, more than any file of its kind that this "
            "tool writes. See where it comes from, and remove it."
        )
