"""Objects in several parts, put together in one step or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from triton_deploy_storage._s3 import own_write
from triton_deploy_storage._s3.s3_errors import error_code

Part = Callable[[str, int, int, int], dict[str, str]]
"""Sends one part, given the upload's id, its number from 1, its offset and its length in bytes;
returns its tag and its checksum, as the service names them."""


def put_in_parts(
    client: Any,
    target: dict[str, str],
    parts: Sequence[tuple[int, int]],
    send: Part,
    *,
    pool: Executor,
    verify: Callable[[], None],
    options: Mapping[str, str],
) -> None:
    """Send all parts by the pool, then make them one object.

    Args:
        client: the boto3 client.
        target: its bucket and key.
        parts: the offset and the length of each.
        send: sends one.
        pool: runs them; not the pool that this is called in.
        verify: raises when the whole must not appear after all.
        options: parameters of the request that begins it, as the kind of the parts' checksums.
    """
    marked = own_write.mark()
    upload = _begin(client, target, {**options, **marked})
    sent: list[Future[dict[str, str]]] = []
    try:
        sent.extend(
            pool.submit(send, upload, number, offset, length)
            for number, (offset, length) in enumerate(parts, start=1)
        )
        done = [{"PartNumber": number, **future.result()} for number, future in enumerate(sent, 1)]
        verify()
        _complete(client, target, upload, done, marked)
    except BaseException:
        for future in sent:
            future.cancel()
        for future in sent:
            if not future.cancelled():
                future.exception()  # a part that arrives after the end would stay, and cost
        _abort(client, target, upload)
        raise


def abort_leftovers(client: Any, target: dict[str, str]) -> None:
    """Abort all uploads to a key: somebody else's work on it may have left some."""
    _abort_others(client, target, "")


def _begin(client: Any, target: dict[str, str], parameters: dict[str, Any]) -> str:
    try:
        answer = client.create_multipart_upload(**target, **parameters)
    except (ClientError, BotoCoreError):
        _abort_others(client, target, "")
        raise
    upload = str(answer["UploadId"])
    if answer["ResponseMetadata"].get("RetryAttempts"):
        # An answer that was lost may have named another upload, which would stay, and cost.
        _abort_others(client, target, upload)
    return upload


def _complete(
    client: Any, target: dict[str, str], upload: str, parts: Any, marked: dict[str, Any]
) -> None:
    try:
        client.complete_multipart_upload(
            **target, UploadId=upload, MultipartUpload={"Parts": parts}
        )
    except ClientError as error:
        # Of a completion whose answer was lost, the repetition finds no upload any more.
        done = error_code(error) == "NoSuchUpload" and own_write.tag_of(client, target, marked)
        if not done:
            raise


def _abort(client: Any, target: dict[str, str], upload: str) -> None:
    # What can't be removed now goes by the bucket's own rule for unfinished uploads.
    with suppress(ClientError, BotoCoreError):
        client.abort_multipart_upload(**target, UploadId=upload)


def _abort_others(client: Any, target: dict[str, str], upload: str) -> None:
    """Abort the uploads to this key but one: whoever writes it holds the lease on its name."""
    with suppress(ClientError, BotoCoreError):
        found = client.list_multipart_uploads(Bucket=target["Bucket"], Prefix=target["Key"])
        for other in found.get("Uploads", ()):
            if other["Key"] == target["Key"] and other["UploadId"] != upload:
                _abort(client, target, other["UploadId"])
