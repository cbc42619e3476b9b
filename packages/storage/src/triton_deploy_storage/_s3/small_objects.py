"""Small objects, each read and written in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from triton_deploy_core.errors import PreconditionFailedError
from triton_deploy_core.ports.store import BlobContent, Condition, IfAbsent, IfUnchanged
from triton_deploy_storage._s3 import own_write
from triton_deploy_storage._s3.s3_errors import error_code, is_conflict

_ATTEMPTS = 5
# The body of a refusal to read is read by boto3 where it maps no error.
_BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, HTTPError)


def read(client: Any, target: dict[str, str], check_size: Callable[[int], None]) -> BlobContent:
    """Read a whole object; the library repeats a request, but not the reading of its answer."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(*_BROKEN):
            return _read_once(client, target, check_size)
    return _read_once(client, target, check_size)


def _read_once(
    client: Any, target: dict[str, str], check_size: Callable[[int], None]
) -> BlobContent:
    answer = client.get_object(**target)
    with answer["Body"] as body:
        check_size(answer["ContentLength"])
        return BlobContent(body.read(), answer["ETag"])


def write(
    client: Any,
    target: dict[str, str],
    data: bytes,
    condition: Condition,
    options: Mapping[str, str],
) -> str:
    """Write an object and return its tag; the options are parameters of the request.

    Raises:
        PreconditionFailedError: there is no such object to replace.
        ClientError: the condition does not hold, or the service refuses.
    """
    request = {**target, **options, "Body": data, "ChecksumAlgorithm": "CRC32"}
    if condition is None:
        return str(client.put_object(**request)["ETag"])
    marked = own_write.mark()
    try:
        return str(client.put_object(**request, **_headers(condition), **marked)["ETag"])
    except ClientError as error:
        if is_conflict(error):
            tag = own_write.tag_of(client, target, marked)
            if tag is not None:
                return tag
        if error_code(error) == "NoSuchKey":
            raise PreconditionFailedError(
                f"{target['Key']} is not in bucket {target['Bucket']} any more: somebody else "
                "removed it; try again"
            ) from error
        raise


def _headers(condition: IfAbsent | IfUnchanged) -> dict[str, str]:
    if isinstance(condition, IfAbsent):
        return {"IfNoneMatch": "*"}
    return {"IfMatch": condition.etag}
