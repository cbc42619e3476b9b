"""Lists a bucket page by page. GCS has names in the order of their UTF-8 bytes: Python's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triton_deploy_core.ports.store import Blob
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._objects.object_names import can_begin_a_key, is_key


def blobs(service: Service, prefix: str) -> Iterator[Blob]:
    """Yield the objects below the repository's root whose key starts with `prefix`.

    Objects whose names are no keys (``a//b``) are somebody else's.
    """
    if not can_begin_a_key(prefix):
        return
    root = service.location.root
    for item in _list(service, root + prefix, "items(name,size,generation)"):
        key = item.name[len(root) :]
        if is_key(key):
            yield Blob(key, int(item.size), str(item.generation))


def directories(service: Service) -> Iterator[str]:
    """Yield the names right below the root that have something below them."""
    root = service.location.root
    found = _list(service, root, "prefixes", delimiter="/")
    seen: set[str] = set()
    for _ in found.pages:
        for prefix in found.prefixes - seen:
            name = prefix[len(root) : -1]
            if is_key(name):
                yield name
        seen |= found.prefixes


def _list(service: Service, prefix: str, fields: str, **request: Any) -> Any:
    return service.client().list_blobs(
        service.location.bucket,
        prefix=prefix,
        fields=f"{fields},nextPageToken",
        page_size=service.limits.page,
        **request,
        **service.options,
    )
