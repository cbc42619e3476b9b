"""Answers of which the end is missing are asked for again.

Python's HTTP client takes a connection that closes within the header lines for their end, so
that a listing which was cut there looks like one that found nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ConnectionClosedError

_NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "GetObject": "ETag",
        "HeadObject": "ETag",
        "PutObject": "ETag",
        "UploadPart": "ETag",
        "CopyObject": "CopyObjectResult",
        "UploadPartCopy": "CopyPartResult",
        "CreateMultipartUpload": "UploadId",
        "CompleteMultipartUpload": "ETag",
        "ListObjectsV2": "IsTruncated",
    }
)
_OK = range(200, 300)
_WITHOUT_BODY = 204


def require_whole_answers(client: Any, attempts: int) -> None:
    """Make a client ask again, so many times in all, where an answer lacks what it has to have."""

    def pause(response: Any, operation: Any, attempts_so_far: int) -> float | None:
        if response is None or not _is_cut(operation.name, *response):
            return None
        if attempts_so_far >= attempts:
            raise ConnectionClosedError(endpoint_url=client.meta.endpoint_url)
        return 0.0

    def needs_retry(**said: Any) -> float | None:
        return pause(said.get("response"), said["operation"], said["attempts"])

    client.meta.events.register_first("needs-retry.s3", needs_retry, unique_id="whole-answers")


def _is_cut(operation: str, http: Any, parsed: Mapping[str, Any]) -> bool:
    if http.status_code not in _OK:
        return False
    headers = {name.lower() for name in http.headers}
    if headers.isdisjoint({"content-length", "transfer-encoding", "connection"}):
        return bool(http.status_code != _WITHOUT_BODY)
    return "Error" not in parsed and operation in _NEEDED and _NEEDED[operation] not in parsed
