"""2,000 files of 4 KB, and one of 200 MB."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.libraries import (
    BUCKET,
    boto3_client,
    obstore_bucket,
    upload_by_obstore,
    upload_in_threads,
    upload_one_by_one,
)
from benchmarks.measuring import Way, compare
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import LocalFile, Transfer
from triton_deploy_storage.s3 import S3Store

SMALL = 2000


def run(endpoint: str, directory: Path, rounds: int) -> None:
    small = [directory / str(number) for number in range(SMALL)]
    for path in small:
        path.write_bytes(os.urandom(4096))
    large = directory / "large"
    with large.open("wb") as file:
        for _ in range(200):
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

    for title, files in ((f"{SMALL:,} x 4 KB", small), ("1 x 200 MB", [large])):
        alone = 1 if len(files) > 1 else rounds
        compare(
            title,
            [
                Way(
                    "`upload_file`, one after another",
                    lambda: upload_one_by_one(client, files),  # noqa: B023
                    rounds=alone,
                ),
                Way(
                    "`upload_file` in 16 threads",
                    lambda: upload_in_threads(client, files),  # noqa: B023
                    rounds=alone,
                ),
                Way("`obstore`", lambda: upload_by_obstore(bucket, files)),  # noqa: B023
                Way("this adapter", lambda: upload(files)),  # noqa: B023
            ],
            best="`obstore`",
            rounds=rounds,
        )
