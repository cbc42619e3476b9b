"""Deletes objects, many in one request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from triton_deploy_core.errors import PreconditionFailedError
from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import error_code, refusal

_MISSING = "NoSuchKey"
_GONE = frozenset({_MISSING, "404"})
_UNKNOWN = frozenset({"NotImplemented", "501"})


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


def delete_if(client: Any, target: Mapping[str, str], tag: str) -> None:
    """Delete an object that has this tag.

    Raises:
        PreconditionFailedError: it is gone.
        ClientError: it has another tag, or the service refuses.
    """
    try:
        client.delete_object(**target, IfMatch=tag)
    except ClientError as error:
        if error_code(error) in _UNKNOWN:
            client.delete_object(**target)
        elif error_code(error) not in _GONE:
            raise
        elif not error.response["ResponseMetadata"].get("RetryAttempts"):
            raise PreconditionFailedError(f"{target['Key']} is gone: read it again") from error
        # Else the first attempt deleted it, and its answer was lost.


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
