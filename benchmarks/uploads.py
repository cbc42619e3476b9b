"""Uploads of many small files, and of one large file."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.libraries import (
    BUCKET,
    OBSTORE,
    boto3_client,
    obstore_bucket,
    upload_by_obstore,
    upload_in_threads,
    upload_one_by_one,
)
from benchmarks.measuring import Way, compare
from benchmarks.results import Result
from benchmarks.sizes import Size
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import LocalFile, Transfer
from triton_deploy_storage.s3 import S3Store


def run(endpoint: str, directory: Path, size: Size, away: str) -> list[Result]:
    small = [directory / str(number) for number in range(size.files)]
    for path in small:
        path.write_bytes(os.urandom(4096))
    large = directory / "large"
    with large.open("wb") as file:
        for _ in range(size.megabytes):
            file.write(os.urandom(1_000_000))
    client = boto3_client(endpoint)
    client.create_bucket(Bucket=BUCKET)
    bucket = obstore_bucket(endpoint)
    store = S3Store(f"s3://{endpoint}/{BUCKET}/repository")

    def upload(files: list[Path]) -> None:
        transfers = [
            Transfer(f"iris/1/{path.name}", LocalFile(path, path.stat().st_size)) for path in files
        ]
        store.transfer(transfers, NoProgress())

    def case(title: str, files: list[Path], slow: int) -> list[Result]:
        ways = [
            Way("one by one", lambda: upload_one_by_one(client, files), rounds=slow),
            Way("boto3, 16 threads", lambda: upload_in_threads(client, files), rounds=slow),
            Way(OBSTORE, lambda: upload_by_obstore(bucket, files)),
            Way("this project", lambda: upload(files), ours=True),
        ]
        return compare("uploads", f"{title}, {away}", ways, baseline=OBSTORE, rounds=size.rounds)

    return [
        *case(f"upload {size.files:,} files of 4 KB", small, 1),
        *case(f"upload {size.megabytes} MB", [large], size.rounds),
    ]
