"""The most memory that an upload of one file takes, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.libraries import BUCKET, boto3_client
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import LocalFile, Transfer
from triton_deploy_storage.s3 import S3Store
from triton_deploy_storage.testing_fast_s3 import FastS3

SIZES = (1_000, 200_000_000, 2_000_000_000)


def run() -> None:
    print("\n| one file of | most memory of the process |\n|---|---|")
    with FastS3() as server, TemporaryDirectory() as directory:
        boto3_client(server.endpoint).create_bucket(Bucket=BUCKET)
        path = Path(directory) / "file"
        for size in SIZES:
            with path.open("wb") as file:
                file.truncate(size)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", server.endpoint, str(path)],
                check=True,
                capture_output=True,
                text=True,
            )
            print(f"| {size / 1e6:,.3f} MB | {int(done.stdout) / 1024:.0f} MiB |", flush=True)


def upload(endpoint: str, path: Path) -> None:
    source = LocalFile(path, path.stat().st_size)
    S3Store(f"s3://{endpoint}/{BUCKET}/m").transfer([Transfer("iris/1/m", source)], NoProgress())


def peak_kib() -> int:
    # Not getrusage: what it tells of a child begins with what its parent had.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    upload(sys.argv[1], Path(sys.argv[2]))
    print(peak_kib())
