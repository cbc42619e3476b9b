"""Changes that must not come late: see `Guard` and `BlobStore.write`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from triton_deploy_core.guards import stale_writer
from triton_deploy_core.ports.store import GUARD_BYTES, Guard
from triton_deploy_storage._s3 import small_objects
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import error_code, is_conflict

_GONE = frozenset({"NoSuchKey", "404", "InvalidRange"})


def check(client: Any, location: S3Location, guard: Guard) -> None:
    """Read the guard's object.

    Raises:
        StaleWriterError: the guard does not hold.
    """
    target = _target(location, guard.key) | {"Range": f"bytes=0-{GUARD_BYTES - 1}"}
    try:
        found = small_objects.read(client, target, lambda _: None)
    except ClientError as error:
        if error_code(error) in _GONE:
            raise stale_writer(guard, location.bucket) from error
        raise
    if not guard.holds(found.data):
        raise stale_writer(guard, location.bucket)


def write(
    client: Any,
    location: S3Location,
    key: str,
    data: bytes,
    *,
    guard: Guard,
    options: Mapping[str, str],
) -> str:
    """Write an object by a copy of its staged content, and return its tag.

    The copy is the step that takes effect. It fails once the staged object is gone, which a writer
    that takes over sees to; `If-Match` would not do, since a tag comes back with its content.

    Raises:
        StaleWriterError: the guard does not hold.
        ClientError: the service refuses.
    """
    staged = _target(location, guard.staging)
    tag = small_objects.write(client, staged, data, None, options)
    check(client, location, guard)
    source = {"CopySource": staged, "CopySourceIfMatch": tag}
    try:
        answer = client.copy_object(**_target(location, key), **options, **source)
    except ClientError as error:
        if error_code(error) in _GONE or is_conflict(error):
            raise stale_writer(guard, location.bucket) from error
        raise
    return str(answer["CopyObjectResult"]["ETag"])


def age(client: Any, target: dict[str, str]) -> float:
    """Return how many seconds ago an object was written; both times are the service's own."""
    head = client.head_object(**target)
    date = head["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = datetime.now(timezone.utc) if date is None else parsedate_to_datetime(date)
    return max(0.0, float((now - head["LastModified"]).total_seconds()))


def _target(location: S3Location, key: str) -> dict[str, str]:
    return {"Bucket": location.bucket, "Key": location.root + key}
