from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from triton_deploy_storage.testing_gcs import GcsServer
from triton_deploy_storage.testing_s3 import CREDENTIALS, BucketContent, MotoServer

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
BUCKET = "artifacts"


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


@dataclass(frozen=True)
class ArtifactStore:
    """A service with one empty bucket, and the environment that MLflow needs for it.

    Attributes:
        bucket: its location.
        objects: reads all that is in it, around MLflow.
        environment: variables.
    """

    bucket: str
    objects: Callable[[], dict[str, bytes]]
    environment: Mapping[str, str]


@contextmanager
def s3() -> Iterator[ArtifactStore]:
    with MotoServer() as moto:
        client = moto.client()
        client.create_bucket(Bucket=BUCKET)
        environment = {**CREDENTIALS, "MLFLOW_S3_ENDPOINT_URL": moto.endpoint}
        yield ArtifactStore(f"s3://{BUCKET}", BucketContent(client, BUCKET).read, environment)


@contextmanager
def gcs() -> Iterator[ArtifactStore]:
    with GcsServer() as server:
        yield ArtifactStore(f"gs://{BUCKET}", server.bucket(BUCKET).objects, server.environment)


@pytest.fixture(scope="module", params=[s3, gcs], ids=["s3", "gs"])
def running_store(request: pytest.FixtureRequest) -> Iterator[ArtifactStore]:
    with request.param() as store:
        yield store


@pytest.fixture
def artifact_store(
    running_store: ArtifactStore, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> ArtifactStore:
    """What MLflow is set to."""
    for name, value in running_store.environment.items():
        monkeypatch.setenv(name, value)
    return running_store
