"""URIs of what lies outside of the repository, as others write them."""

from __future__ import annotations


def place_of(uri: str, scheme: str) -> tuple[str, str] | None:
    """Return the bucket and the key that a URI names, without slashes behind it.

    None where it names none, or where others may read it as something else: hosts and ports,
    credentials, queries.
    """
    bucket, _, key = uri.removeprefix(scheme).partition("/")
    if not uri.startswith(scheme) or not bucket or set(bucket) & set(":@") or set(uri) & set("?#"):
        return None
    return bucket, key.rstrip("/")
