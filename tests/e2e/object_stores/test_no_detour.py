"""Models in artifact stores on the repository's own S3: weights never pass through this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow.deployments import BaseDeploymentClient, get_deploy_client

from mlflow_triton.source import MlflowSource
from triton_deploy_core.ports.store import LocalFile, StoredObject
from triton_deploy_storage import open_objects
from triton_deploy_storage.testing_proxy import Answer, FaultProxy, OnNth
from triton_deploy_storage.testing_s3 import CREDENTIALS

LOG_MODELS = Path(__file__).with_name("log_models_on_s3.py")
LOG_SECONDS = 240
WEIGHTS = 2 * 3 * 200_000 * 4
SMALL = 64 << 10
"""Bytes that an operation may take, with listings, records and parts of graphs."""
X = np.array([[1, 2, 3]], dtype=np.float32)


@dataclass(frozen=True)
class OnS3:
    """A client of MLflow and of Triton, both of whose stores are behind a proxy that counts."""

    client: BaseDeploymentClient
    proxy: FaultProxy
    repository: str
    uris: list[str]

    def count(self) -> tuple[int, int]:
        """Bytes that came and went since the last time."""
        total = self.proxy.total()
        self.proxy.forget()
        return total.sent, total.received

    def answer(self) -> float:
        y = self.client.predict("weights", {"x": X}).loc["y"]["outputs"]
        np.testing.assert_allclose(y, np.full((1, 3), y[0][0]), rtol=1e-3)
        return round(float(y[0][0]), 2)


@pytest.fixture(scope="module")
def tracking(shared_site, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A tracking store whose artifacts are on S3, and the URIs of models logged there."""
    directory = tmp_path_factory.mktemp("on S3")
    shared_site.plain.create_bucket(Bucket="artifacts")
    tracking_uri = f"sqlite:///{directory / 'mlflow.db'}"
    clean = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, str(LOG_MODELS), "s3://artifacts/mlflow"],
        cwd=directory,
        env=clean
        | CREDENTIALS
        | {
            "MLFLOW_TRACKING_URI": tracking_uri,
            "MLFLOW_S3_ENDPOINT_URL": shared_site.plain.meta.endpoint_url,
        },
        capture_output=True,
        text=True,
        timeout=LOG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tracking_uri, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def on_s3(site, tracking) -> Iterator[OnS3]:
    endpoint = site.plain.meta.endpoint_url
    with FaultProxy(endpoint) as proxy, pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", tracking[0])
        environment.setenv("MLFLOW_S3_ENDPOINT_URL", proxy.endpoint)
        environment.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        repository = site.repository.replace(endpoint, proxy.endpoint)
        environment.setenv("TRITON_MODEL_REPO", repository)
        yield OnS3(get_deploy_client("triton"), proxy, repository, tracking[1])


def test_weights_never_pass_through_this_machine(site, on_s3: OnS3) -> None:
    on_s3.client.create_deployment("weights", "models:/weights/1")
    created = on_s3.count()
    assert on_s3.answer() == 12
    held = sum(len(data) for key, data in site.objects().items() if key.startswith("weights/1/"))
    assert held > WEIGHTS

    # its weights are in the model file itself, a configuration and labels were logged beside it
    on_s3.client.update_deployment("weights", "models:/weights/2")
    updated = on_s3.count()
    assert on_s3.answer() == 18
    assert site.objects()["weights/labels.txt"] == b"a\nb\nc\n"

    on_s3.client.update_deployment("weights", "models:/weights/1", config={"max_batch_size": 2})
    configured = on_s3.count()
    assert on_s3.answer() == 12

    on_s3.client.delete_deployment("weights")
    on_s3.client.create_deployment("weights", "models:/tree/1")
    tree = on_s3.count()
    assert on_s3.answer() == 24

    for sent, received in (created, updated, configured, tree):
        assert sent < SMALL
        assert received < SMALL


def test_every_form_of_uri_is_located_there(on_s3: OnS3, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = MlflowSource(objects=open_objects(on_s3.repository))
    for uri in (*on_s3.uris, "models:/weights/1", "models:/weights/latest"):
        with source.open(uri) as model:
            found = model.files.find("model.onnx")
            assert isinstance(found, StoredObject)
            assert found.etag
            assert found.uri.startswith("s3://artifacts/mlflow/")
    assert on_s3.count()[1] < len(on_s3.uris) * SMALL
    assert list(tmp_path.iterdir()) == []


def test_what_the_credentials_may_not_list_goes_through_this_machine(
    on_s3: OnS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    on_s3.proxy.rule = OnNth(Answer.s3(403, "AccessDenied"), nth=1)
    source = MlflowSource(objects=open_objects(on_s3.repository))
    with source.open(on_s3.uris[2]) as model:
        assert isinstance(model.files.find("model.onnx"), LocalFile)
    (warning,) = [line.getMessage() for line in caplog.records if line.name.startswith("mlflow_t")]
    assert "goes through this machine" in warning
    assert "give these credentials s3:ListBucket" in warning
    assert list(tmp_path.iterdir()) == []


def test_artifacts_on_another_service_go_through_this_machine(
    site, on_s3: OnS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", site.plain.meta.endpoint_url)
    source = MlflowSource(objects=open_objects(on_s3.repository))
    with source.open("models:/weights/1") as model:
        found = model.files.find("model.onnx")
        assert isinstance(found, LocalFile)
        assert found.path.is_relative_to(tmp_path)
    assert on_s3.proxy.exchanges() == []
    assert list(tmp_path.iterdir()) == []
