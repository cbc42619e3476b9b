"""Copies objects inside the service: no byte of them comes to this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import StoredBlob, StoredObject
from triton_deploy_storage._objects.places import place_of, shown
from triton_deploy_storage._s3.limits import Limits, ranges
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.multipart import put_in_parts
from triton_deploy_storage._s3.s3_errors import error_code

_CLIENT_ERRORS = range(400, 429)
_SCHEME = "s3"


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object to copy, whose size is what it should be. `etag` keeps it the same meanwhile."""

    bucket: str
    key: str
    size: int
    etag: str

    @property
    def copy_source(self) -> dict[str, Any]:
        """The parameters that name it in a request to copy."""
        source = {"Bucket": self.bucket, "Key": self.key}
        return {"CopySource": source, "CopySourceIfMatch": self.etag}


def find(client: Any, location: S3Location, source: StoredBlob | StoredObject) -> FoundObject:
    """Look up what is to be copied.

    Raises:
        ModelSourceError: it is not there, can't be read, or is not what was listed any more.
    """
    bucket, key = place_of(source, scheme=_SCHEME, bucket=location.bucket, root=location.root)
    uri = shown(_SCHEME, bucket, key)
    try:
        head = client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status not in _CLIENT_ERRORS:
            raise
        raise ModelSourceError(
            f"cannot copy {uri}: the service answers {error_code(error)}; "
            "see that it exists and that these credentials may read it (s3:GetObject)"
        ) from error
    if head["ContentLength"] != source.size:
        raise ModelSourceError(
            f"{uri} has {head['ContentLength']} bytes now, not {source.size}: it changed; "
            "start again"
        )
    if isinstance(source, StoredObject) and source.etag not in {"", head["ETag"]}:
        raise ModelSourceError(f"{uri} has another content now: it changed; start again")
    return FoundObject(bucket, key, source.size, head["ETag"])


def copy_whole(
    client: Any,
    target: dict[str, str],
    found: FoundObject,
    advance: Callable[[int], None],
    *,
    options: Mapping[str, str],
) -> None:
    """Copy an object in one request; one onto itself needs none."""
    if target != {"Bucket": found.bucket, "Key": found.key}:
        with _still_the_same(found):
            client.copy_object(**target, **options, **found.copy_source)
    advance(found.size)


def copy_parts(
    client: Any,
    target: dict[str, str],
    found: FoundObject,
    advance: Callable[[int], None],
    *,
    limits: Limits,
    pool: Executor,
    options: Mapping[str, str],
) -> None:
    """Copy an object that is too large for one request."""

    def send(upload: str, number: int, offset: int, length: int) -> dict[str, str]:
        answer = client.upload_part_copy(
            **target,
            **found.copy_source,
            UploadId=upload,
            PartNumber=number,
            CopySourceRange=f"bytes={offset}-{offset + length - 1}",
        )
        advance(length)
        return {"ETag": answer["CopyPartResult"]["ETag"]}

    if target == {"Bucket": found.bucket, "Key": found.key}:
        advance(found.size)
        return
    with _still_the_same(found):
        put_in_parts(
            client,
            target,
            ranges(found.size, limits.copy_part),
            send,
            pool=pool,
            verify=lambda: None,
            options=options,
        )


@contextmanager
def _still_the_same(found: FoundObject) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in {"PreconditionFailed", "NoSuchKey"}:
            raise
        raise ModelSourceError(
            f"{shown(_SCHEME, found.bucket, found.key)} changed while it was copied; start again"
        ) from error
