"""Artifacts in an object store that MLflow's client reads itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_triton.source import MlflowSource
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from conftest import Store

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")

PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket on an S3 server of its own, which ends when its input does."""
    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        try:
            assert server.stdout is not None
            endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
            created = boto3.resource("s3", endpoint_url=endpoint).Bucket("models")
            created.create()
            yield created
        finally:
            server.kill()


def test_s3(local_store: Store, bucket, temporary: Path) -> None:
    with local_store.source.open("models:/iris/1") as model:
        files = {
            str(path.relative_to(model.files.directory)): path
            for path in model.files.directory.rglob("*")
            if path.is_file()
        }
        for name, path in files.items():
            bucket.upload_file(str(path), f"some/model/{name}")

    with MlflowSource().open("s3://models/some/model") as model:
        assert model.files.directory.is_relative_to(temporary)
        for name, path in files.items():
            assert (model.files.directory / name).read_bytes() == path.read_bytes()

    assert not list(temporary.iterdir())


@pytest.mark.parametrize("uri", ["s3://models/nothing", "s3://nobodys-bucket/model"])
def test_s3_without_a_model(bucket, temporary: Path, uri: str) -> None:
    with pytest.raises(ModelSourceError) as caught, MlflowSource().open(uri):
        pytest.fail("opened")

    assert uri in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(temporary.iterdir())
