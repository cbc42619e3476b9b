from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from with_mlflow_server import mlflow_server

from mlflow_triton.source import MlflowSource

LOG_LIMIT = 240.0


@dataclass(frozen=True)
class Store:
    """A tracking server that holds three versions of ``iris``; see log_models.py."""

    tracking_uri: str
    directory: Path
    is_local: bool
    logged: dict[str, Any]

    @property
    def source(self) -> MlflowSource:
        return MlflowSource(tracking_uri=self.tracking_uri)


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return clean | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "GIT_PYTHON_REFRESH": "quiet"}


def log_models(directory: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("log_models.py")), *arguments],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LOG_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    logged: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return logged


@pytest.fixture(scope="session")
def local_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    directory = tmp_path_factory.mktemp("local store")
    tracking_uri = f"sqlite:///{directory}/mlflow.db"
    logged = log_models(directory, tracking_uri, (directory / "artifacts").as_uri())
    return Store(tracking_uri, directory, is_local=True, logged=logged)


@pytest.fixture(scope="session")
def server_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    directory = tmp_path_factory.mktemp("server")
    with mlflow_server(
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
        directory=directory,
    ) as url:
        yield Store(url, directory, is_local=False, logged=log_models(directory, url))


@pytest.fixture(params=["local_store", "server_store"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, which is this test's own."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    return directory


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: bound, so that nobody else gets it, but not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
