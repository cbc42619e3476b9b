from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all of MLflow's tables: to make them takes seconds, to copy them none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))


@pytest.fixture
def client(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """MLflow on SQLite, database and artifacts in the test's own directory."""
    uri = f"sqlite:///{database}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    # what the command sets stays in this test
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(None)  # type: ignore[arg-type] # back to the tracking server
    MlflowClient().create_experiment("here", artifact_location=f"file://{tmp_path}/artifacts")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "here")
    yield MlflowClient()
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type] # back to the environment


@pytest.fixture
def example() -> Path:
    return EXAMPLES / "onnx_float32_int32_int32"


@pytest.fixture
def on_s3(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A plain client of an S3 server that MLflow is set to."""
    with MotoServer() as moto:
        for name, value in {**CREDENTIALS, "MLFLOW_S3_ENDPOINT_URL": moto.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield moto.client()
