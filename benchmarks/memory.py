"""The most memory that an upload of one file takes, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.libraries import BUCKET, boto3_client
from benchmarks.results import Result
from benchmarks.sizes import Size
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import LocalFile, Transfer
from triton_deploy_storage.s3 import S3Store
from triton_deploy_storage.testing_fast_s3 import FastS3

NAMES = {1_000: "1 KB", 200_000_000: "200 MB", 2_000_000_000: "2 GB"}


def run(size: Size) -> list[Result]:
    used = {}
    with FastS3() as server, TemporaryDirectory() as directory:
        boto3_client(server.endpoint).create_bucket(Bucket=BUCKET)
        path = Path(directory) / "file"
        for length in size.memory:
            with path.open("wb") as file:
                file.truncate(length)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", server.endpoint, str(path)],
                check=True,
                capture_output=True,
                text=True,
            )
            used[length] = int(done.stdout) / 1024
    return [
        Result(
            benchmark="memory",
            case=f"upload one file of {NAMES[length]}",
            way="this project",
            ours=True,
            value=mebibytes,
            unit="MiB",
            ratio=mebibytes / used[size.memory[0]],
            baseline="a file of 1 KB",
        )
        for length, mebibytes in used.items()
    ]


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
