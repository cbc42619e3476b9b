"""Models in the repository's own service: weights never pass through this machine."""

from __future__ import annotations

import json
import os
import re
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
from triton_deploy_storage.s3 import S3Location
from triton_deploy_storage.testing_proxy import Answer, FaultProxy, OnNth

LOG_MODELS = Path(__file__).with_name("log_large_models.py")
LOG_SECONDS = 240
WEIGHTS = 2 * 3 * 200_000 * 4
SMALL = 80 << 10
"""Bytes that an operation may take, with listings, records, guards and parts of graphs."""
_IN_A_VERSION = re.compile(r"/some/triton/weights/\d+/")
X = np.array([[1, 2, 3]], dtype=np.float32)


@dataclass(frozen=True)
class Counted:
    """A client of MLflow and of Triton, both of whose stores are behind a proxy that counts."""

    client: BaseDeploymentClient
    proxy: FaultProxy
    repository: str
    uris: list[str]

    def count(self) -> tuple[int, int]:
        """Bytes that went and came since the last time."""
        total = self.proxy.total()
        self.proxy.forget()
        return total.sent, total.received

    def copies(self) -> int:
        """How many files of versions were put on S3 since the last time `count` was asked."""
        return sum(
            _IN_A_VERSION.search(exchange.request.path) is not None
            and exchange.request.method == "PUT"
            for exchange in self.proxy.exchanges()
        )

    def answer(self) -> float:
        y = self.client.predict("weights", {"x": X}).loc["y"]["outputs"]
        np.testing.assert_allclose(y, np.full((1, 3), y[0][0]), rtol=1e-3)
        return round(float(y[0][0]), 2)


def endpoint_of(site) -> str:
    if site.scheme == "gs":
        return site.environment["STORAGE_EMULATOR_HOST"]
    return S3Location.parse(site.repository).endpoint or ""


def environment_of(site, endpoint: str) -> dict[str, str]:
    """What MLflow and the plugin need to be set to for a store at this address."""
    variable = "STORAGE_EMULATOR_HOST" if site.scheme == "gs" else "MLFLOW_S3_ENDPOINT_URL"
    return {**site.environment, variable: endpoint}


@pytest.fixture(scope="module")
def tracking(shared_site, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A tracking store with artifacts in the repository's bucket, and URIs of models there."""
    directory = tmp_path_factory.mktemp("large")
    tracking_uri = f"sqlite:///{directory / 'mlflow.db'}"
    clean = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, str(LOG_MODELS), f"{shared_site.scheme}://models/mlflow"],
        cwd=directory,
        env=clean
        | environment_of(shared_site, endpoint_of(shared_site))
        | {"MLFLOW_TRACKING_URI": tracking_uri},
        capture_output=True,
        text=True,
        timeout=LOG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tracking_uri, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def counted(site, tracking) -> Iterator[Counted]:
    endpoint = endpoint_of(site)
    with FaultProxy(endpoint) as proxy, pytest.MonkeyPatch.context() as environment:
        for name, value in environment_of(site, proxy.endpoint).items():
            environment.setenv(name, value)
        environment.setenv("MLFLOW_TRACKING_URI", tracking[0])
        environment.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        repository = site.repository.replace(endpoint, proxy.endpoint)
        environment.setenv("TRITON_MODEL_REPO", repository)
        yield Counted(get_deploy_client("triton"), proxy, repository, tracking[1])


@pytest.fixture
def counted_s3(site, counted: Counted) -> Counted:
    if site.scheme != "s3":
        pytest.skip("endpoints and refusals are S3's")
    return counted


def test_weights_never_pass_through_this_machine(site, counted: Counted) -> None:
    counted.client.create_deployment("weights", "models:/weights/1")
    if site.scheme == "s3":
        assert counted.copies() == 2
    created = counted.count()
    assert counted.answer() == 12
    held = sum(len(data) for key, data in site.objects().items() if key.startswith("weights/1/"))
    assert held > WEIGHTS

    counted.client.update_deployment("weights", config={"max_batch_size": 2})
    if site.scheme == "s3":
        assert counted.copies() == 0
    configured = counted.count()

    # its weights are in the model file itself, a configuration and labels were logged beside it
    counted.client.update_deployment("weights", "models:/weights/2")
    updated = counted.count()
    assert counted.answer() == 18
    assert site.objects()["weights/labels.txt"] == b"a\nb\nc\n"

    for sent, received in (created, configured, updated):
        assert sent < SMALL
        assert received < SMALL


def test_nor_do_those_of_a_directory_in_tritons_layout(counted_s3: Counted) -> None:
    counted_s3.client.create_deployment("weights", "models:/tree/1")
    assert max(counted_s3.count()) < SMALL
    assert counted_s3.answer() == 24


def test_every_form_of_uri_is_located_there(
    counted_s3: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = MlflowSource(objects=open_objects(counted_s3.repository))
    for uri in (*counted_s3.uris, "models:/weights/1", "models:/weights/latest"):
        with source.open(uri) as model:
            found = model.files.find("model.onnx")
            assert isinstance(found, StoredObject)
            assert found.etag
            assert found.uri.startswith("s3://models/mlflow/")
    assert counted_s3.count()[1] < len(counted_s3.uris) * SMALL
    assert list(tmp_path.iterdir()) == []


def test_what_the_credentials_may_not_list_goes_through_this_machine(
    counted_s3: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings_told
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    counted_s3.proxy.rule = OnNth(Answer.s3(403, "AccessDenied"), nth=1)
    source = MlflowSource(objects=open_objects(counted_s3.repository))
    with source.open(counted_s3.uris[2]) as model:
        assert isinstance(model.files.find("model.onnx"), LocalFile)
    (warning,) = warnings_told()
    assert "goes through this machine" in warning
    assert "give these credentials s3:ListBucket" in warning
    assert list(tmp_path.iterdir()) == []


def test_artifacts_on_another_service_go_through_this_machine(
    site, counted_s3: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint_of(site))
    source = MlflowSource(objects=open_objects(counted_s3.repository))
    with source.open("models:/weights/1") as model:
        found = model.files.find("model.onnx")
        assert isinstance(found, LocalFile)
        assert found.path.is_relative_to(tmp_path)
    assert counted_s3.proxy.exchanges() == []
    assert list(tmp_path.iterdir()) == []
