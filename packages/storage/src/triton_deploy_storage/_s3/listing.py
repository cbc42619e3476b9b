"""Lists a bucket page by page. S3 gives keys in the order of their UTF-8 bytes: Python's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from triton_deploy_core.ports.store import Blob
from triton_deploy_storage._objects.object_names import can_begin_a_key, is_key
from triton_deploy_storage._s3.location import S3Location


def blobs(client: Any, location: S3Location, prefix: str, page_size: int) -> Iterator[Blob]:
    """Yield the objects below the repository's root whose key starts with `prefix`.

    Objects whose names are no keys (``a//b``) are somebody else's.
    """
    if not can_begin_a_key(prefix):
        return
    request = {"Bucket": location.bucket, "Prefix": location.root + prefix, "MaxKeys": page_size}
    for page in pages(client, **request):
        for item in page.get("Contents", ()):
            key = item["Key"][len(location.root) :]
            if is_key(key):
                yield Blob(key, item["Size"], item["ETag"])


def directories(client: Any, location: S3Location, page_size: int) -> Iterator[str]:
    """Yield the names right below the root that have something below them."""
    request = {"Bucket": location.bucket, "Prefix": location.root, "MaxKeys": page_size}
    for page in pages(client, **request, Delimiter="/"):
        for item in page.get("CommonPrefixes", ()):
            name = item["Prefix"][len(location.root) : -1]
            if is_key(name):
                yield name


def pages(client: Any, **request: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the answers to a listing of any length."""
    yield from client.get_paginator("list_objects_v2").paginate(**request)
