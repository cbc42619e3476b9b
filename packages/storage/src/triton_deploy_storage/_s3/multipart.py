"""Objects in several parts, put together in one step or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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
    checksum: str | None = None,
) -> None:
    """Send all parts by the pool, then make them one object.

    Args:
        client: the boto3 client.
        target: its bucket and key.
        parts: the offset and the length of each.
        send: sends one.
        pool: runs them; not the pool that this is called in.
        verify: raises when the whole must not appear after all.
        checksum: the kind that each part is sent with, for the service to check.
    """
    algorithm = {"ChecksumAlgorithm": checksum} if checksum else {}
    upload = client.create_multipart_upload(**target, **algorithm)["UploadId"]
    sent: list[Future[dict[str, str]]] = []
    try:
        sent.extend(
            pool.submit(send, upload, number, offset, length)
            for number, (offset, length) in enumerate(parts, start=1)
        )
        done = [{"PartNumber": number, **future.result()} for number, future in enumerate(sent, 1)]
        verify()
        client.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": done})
    except BaseException:
        for future in sent:
            future.cancel()
        for future in sent:
            if not future.cancelled():
                future.exception()  # a part that arrives after the end would stay, and cost
        # What can't be removed now goes by the bucket's own rule for unfinished uploads.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**target, UploadId=upload)
        raise
