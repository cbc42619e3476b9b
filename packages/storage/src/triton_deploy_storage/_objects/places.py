"""Where the object lies that a transfer copies inside the service."""

from __future__ import annotations

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.keys import check_file_key
from triton_deploy_core.ports.store import StoredBlob, StoredObject
from triton_deploy_core.shown import shown as one_line


def place_of(
    source: StoredBlob | StoredObject, *, scheme: str, bucket: str, root: str
) -> tuple[str, str]:
    """Return the bucket and the name of an object that is to be copied.

    Args:
        source: the repository's own, or one that a URI names.
        scheme: the one that such a URI has to have.
        bucket: the repository's.
        root: what its keys have before them.

    Raises:
        ModelSourceError: it is none.
    """
    if isinstance(source, StoredBlob):
        try:
            check_file_key(source.key)
        except ValueError as error:
            raise ModelSourceError(f"cannot copy {source.key!r}: {error}") from error
        return bucket, root + source.key
    start = f"{scheme}://"
    found, _, name = source.uri.removeprefix(start).partition("/")
    if not source.uri.startswith(start) or not found or not name:
        raise ModelSourceError(f"cannot copy {source.uri!r}: it names no object at {start}")
    return found, name


def shown(scheme: str, bucket: str, name: str) -> str:
    """Return an object's URI for a message of one line."""
    return one_line(f"{scheme}://{bucket}/{name}")
