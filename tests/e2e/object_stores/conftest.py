"""A real Triton that reads from S3 or GCS, and MLflow's models to deploy there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from mlflow.deployments import BaseDeploymentClient, get_deploy_client

from triton_deploy_storage.testing_gcs import GcsServer
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer
from triton_local_server import LocalTriton

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
LOG_MODELS = ROOT / "tests" / "e2e" / "plugin" / "log_models.py"
LOG_SECONDS = 240
BUCKET = "models"
PREFIX = "some/triton"


class PlainBucket(Protocol):
    """A bucket, around our adapters."""

    def put(self, name: str, data: bytes) -> None: ...

    def remove(self, name: str) -> None: ...

    def objects(self, prefix: str = "") -> dict[str, bytes]: ...


@dataclass(frozen=True)
class S3Bucket:
    """One of a MotoServer, by a plain client."""

    client: Any

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=data)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=name)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        found = {}
        for key in keys:
            with self.client.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
                found[key] = body.read()
        return found


@dataclass(frozen=True)
class Site:
    """A Triton and the bucket that it reads."""

    triton: LocalTriton
    repository: str
    bucket: PlainBucket
    environment: Mapping[str, str]
    make_bucket: Callable[[str], object]

    @property
    def scheme(self) -> str:
        return self.repository.partition(":")[0]

    def objects(self) -> dict[str, bytes]:
        """Everything in the repository."""
        found = self.bucket.objects(f"{PREFIX}/")
        assert found.pop(f"{PREFIX}/") == b""
        return {name.removeprefix(f"{PREFIX}/"): data for name, data in found.items()}

    def put(self, key: str, data: bytes) -> None:
        self.bucket.put(f"{PREFIX}/{key}", data)

    def remove(self, key: str) -> None:
        self.bucket.remove(f"{PREFIX}/{key}")


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The tracking store, and what log_models.py logged there."""
    directory = tmp_path_factory.mktemp("mlflow")
    tracking_uri = f"sqlite:///{directory / 'mlflow.db'}"
    clean = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, str(LOG_MODELS), str(EXAMPLES)],
        cwd=directory,
        env=clean | {"MLFLOW_TRACKING_URI": tracking_uri},
        capture_output=True,
        text=True,
        timeout=LOG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tracking_uri, json.loads(done.stdout.splitlines()[-1])


@contextmanager
def s3_site() -> Iterator[Site]:
    with MotoServer() as moto:
        client = moto.client()

        def make_bucket(name: str) -> object:
            return client.create_bucket(Bucket=name)

        make_bucket(BUCKET)
        repository = f"s3://{moto.endpoint}/{BUCKET}/{PREFIX}"
        with serving(repository, S3Bucket(client), CREDENTIALS, make_bucket) as site:
            yield site


@contextmanager
def gcs_site() -> Iterator[Site]:
    with (
        GcsServer() as gcs,
        serving(f"gs://{BUCKET}/{PREFIX}", gcs.bucket(BUCKET), gcs.environment, gcs.bucket) as site,
    ):
        yield site


@contextmanager
def serving(
    repository: str,
    bucket: PlainBucket,
    environment: Mapping[str, str],
    make_bucket: Callable[[str], object],
) -> Iterator[Site]:
    # Triton does not start where nothing is below its prefix.
    bucket.put(f"{PREFIX}/", b"")
    with LocalTriton(
        repository, disable_auto_complete=True, exit_timeout=0, env=environment
    ) as triton:
        yield Site(triton, repository, bucket, environment, make_bucket)


@pytest.fixture(scope="session", params=[s3_site, gcs_site], ids=["s3", "gs"])
def shared_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with request.param() as site:
        yield site


@pytest.fixture
def site(
    shared_site: Site, logged: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """The shared server, with the environment set to it and nothing left behind."""
    settings = {
        "MLFLOW_TRACKING_URI": logged[0],
        "TRITON_URL": shared_site.triton.http_url,
        "TRITON_MODEL_REPO": shared_site.repository,
        **shared_site.environment,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield shared_site
    client = get_deploy_client("triton")
    for deployment in client.list_deployments():
        client.delete_deployment(deployment["name"])
    assert shared_site.objects() == {}


@pytest.fixture
def client(site: Site) -> BaseDeploymentClient:
    return get_deploy_client("triton")


@pytest.fixture
def examples() -> Path:
    return EXAMPLES / "onnx_float32_int32_int32"
