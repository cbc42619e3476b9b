"""Deletes objects, many in one request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import refusal

_MISSING = "NoSuchKey"


def delete(client: Any, location: S3Location, keys: Sequence[str]) -> None:
    """Delete as many keys as fit into one request; those that are not there are no error.

    Raises:
        StoreError: the answer is a success in all, and a refusal of one of the keys.
    """
    names = [{"Key": location.root + key} for key in dict.fromkeys(keys)]
    answer = client.delete_objects(Bucket=location.bucket, Delete={"Objects": names, "Quiet": True})
    for error in answer.get("Errors", ()):
        if error.get("Code") != _MISSING:
            where = f"cannot delete {error.get('Key')!r} in bucket {location.bucket}"
            raise refusal(str(error.get("Code")), _status_of(error), location.bucket, where)


def in_batches(
    keys: Iterable[str], limits: Limits, delete_batch: Callable[[Sequence[str]], None]
) -> None:
    """Cut any number of keys into requests, some at once; no more of them are in memory."""
    remaining = iter(keys)
    batches = iter(lambda: [*itertools.islice(remaining, limits.keys_per_delete)], [])
    with ThreadPoolExecutor(limits.deletes_at_once, thread_name_prefix="s3-delete") as pool:
        while together := [*itertools.islice(batches, limits.deletes_at_once)]:
            list(pool.map(delete_batch, together))


def _status_of(error: Any) -> int:
    return 403 if error.get("Code") == "AccessDenied" else 0
