"""A real Triton that reads from S3, and MLflow's models to deploy there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow.deployments import BaseDeploymentClient, get_deploy_client

from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer
from triton_local_server import LocalTriton

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
LOG_MODELS = ROOT / "tests" / "e2e" / "plugin" / "log_models.py"
LOG_SECONDS = 240
BUCKET = "models"
PREFIX = "some/triton"


@dataclass(frozen=True)
class Site:
    """A Triton and the bucket that it reads."""

    triton: LocalTriton
    repository: str
    plain: Any

    def objects(self, prefix: str = f"{PREFIX}/") -> dict[str, bytes]:
        """Everything in the repository, by a plain client."""
        pages = self.plain.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        found = {}
        for key in keys:
            with self.plain.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
                found[key.removeprefix(f"{PREFIX}/")] = body.read()
        assert found.pop("") == b""
        return found

    def put(self, key: str, data: bytes) -> None:
        self.plain.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=data)

    def remove(self, key: str) -> None:
        self.plain.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")


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


@pytest.fixture(scope="session")
def shared_site() -> Iterator[Site]:
    with MotoServer() as moto:
        plain = moto.client()
        plain.create_bucket(Bucket=BUCKET)
        # Triton does not start where nothing is below its prefix.
        plain.put_object(Bucket=BUCKET, Key=f"{PREFIX}/", Body=b"")
        repository = f"s3://{moto.endpoint}/{BUCKET}/{PREFIX}"
        with LocalTriton(
            repository, disable_auto_complete=True, exit_timeout=0, env=CREDENTIALS
        ) as triton:
            yield Site(triton, repository, plain)


@pytest.fixture
def site(
    shared_site: Site, logged: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """The shared server, with the environment set to it and nothing left behind."""
    settings = {
        "MLFLOW_TRACKING_URI": logged[0],
        "TRITON_URL": shared_site.triton.http_url,
        "TRITON_MODEL_REPO": shared_site.repository,
        **CREDENTIALS,
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
