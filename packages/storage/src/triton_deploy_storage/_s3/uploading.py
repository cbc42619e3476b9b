"""Puts bytes of this machine into a bucket; the service checks a CRC of all it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from triton_deploy_core.ports.store import Content, LocalFile
from triton_deploy_storage._objects.sources import OpenSource, opened
from triton_deploy_storage._s3.limits import Limits, ranges
from triton_deploy_storage._s3.multipart import put_in_parts

_CHECKSUM = "CRC32"


def put_whole(
    client: Any,
    target: dict[str, str],
    source: LocalFile | Content,
    advance: Callable[[int], None],
    *,
    options: Mapping[str, str],
) -> None:
    """Put a file that fits into memory in one request."""
    with opened(source) as file:
        data = file.read(0, source.size)
    client.put_object(**target, **options, Body=data, ChecksumAlgorithm=_CHECKSUM)
    advance(source.size)


def put_parts(
    client: Any,
    target: dict[str, str],
    source: LocalFile | Content,
    advance: Callable[[int], None],
    *,
    limits: Limits,
    pool: Executor,
    options: Mapping[str, str],
) -> None:
    """Put a large file in parts, of which as many are in memory as the pool has workers."""
    with opened(source) as file:
        put_in_parts(
            client,
            target,
            ranges(source.size, limits.part),
            _sender(client, target, file, advance),
            pool=pool,
            verify=file.require_unchanged,
            options={**options, "ChecksumAlgorithm": _CHECKSUM},
        )


def _sender(
    client: Any, target: dict[str, str], file: OpenSource, advance: Callable[[int], None]
) -> Callable[[str, int, int, int], dict[str, str]]:
    def send(upload: str, number: int, offset: int, length: int) -> dict[str, str]:
        answer = client.upload_part(
            **target,
            UploadId=upload,
            PartNumber=number,
            Body=file.read(offset, length),
            ChecksumAlgorithm=_CHECKSUM,
        )
        advance(length)
        return {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}

    return send
