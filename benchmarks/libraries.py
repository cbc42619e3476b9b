"""What the libraries offer by themselves: what this project's adapter is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import obstore
from botocore.config import Config
from obstore.store import S3Store

BUCKET = "models"
OBSTORE = "obstore alone"
IN_FLIGHT = 128


def boto3_client(endpoint: str, connections: int = 16) -> Any:
    config = Config(max_pool_connections=connections, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def obstore_bucket(endpoint: str) -> S3Store:
    return S3Store(BUCKET, endpoint=endpoint, client_options={"allow_http": True})


def for_each(act: Callable[[Any], object], items: Iterable[Any], threads: int) -> list[object]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(act, items))


def upload_one_by_one(client: Any, files: Iterable[Path]) -> None:
    for path in files:
        client.upload_file(str(path), BUCKET, f"boto3/{path.name}")


def upload_in_threads(client: Any, files: Iterable[Path], threads: int = 16) -> None:
    for_each(
        lambda path: client.upload_file(str(path), BUCKET, f"boto3/{path.name}"), files, threads
    )


def upload_by_obstore(bucket: S3Store, files: Iterable[Path]) -> None:
    for_each(lambda path: obstore.put(bucket, f"obstore/{path.name}", path), files, IN_FLIGHT)
