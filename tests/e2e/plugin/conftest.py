"""A real Triton, a real MLflow, and the plugin between them as a user has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.deployments import BaseDeploymentClient, get_deploy_client
from mlflow.deployments.cli import commands

from triton_local_server import LocalTriton

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
COMMAND_SECONDS = 240


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "TRITON_"))
    }


def saved_models(script: str, directory: Path, *arguments: str) -> dict[str, str]:
    """Directories of models by name, saved by a script beside this file in a process of its own."""
    target = directory / "models"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(target), *arguments],
        cwd=directory,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.name: str(path) for path in target.iterdir() if path.is_dir()}


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store, and what log_models.py logged there."""

    directory: Path
    tracking_uri: str
    logged: dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A Triton and the repository that it reads."""

    triton: LocalTriton
    repository: Path
    store: Store

    def environment(self) -> dict[str, str]:
        return clean_environment() | {
            "MLFLOW_TRACKING_URI": self.store.tracking_uri,
            "TRITON_URL": self.triton.http_url,
            "TRITON_MODEL_REPO": str(self.repository),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set this process's environment to this site."""
        for name, value in self.environment().items():
            if name.startswith(("MLFLOW_", "TRITON_")):
                monkeypatch.setenv(name, value)

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> Finished:
        """Run a command as a user would, and return what it said."""
        done = subprocess.run(
            command,
            cwd=cwd or self.store.directory,
            env=self.environment() | variables,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def mlflow(self, command: str, *more: str, **variables: str) -> Finished:
        """Run ``mlflow deployments COMMAND -t triton …``."""
        return self.run("mlflow", "deployments", command, "-t", "triton", *more, **variables)

    def click(self, command: str, *more: str, target: str = "triton") -> Finished:
        """Run the same in this process, which saves the seconds that MLflow takes to start."""
        done = CliRunner().invoke(commands, [command, "-t", target, *more])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Finished(done.exit_code, done.stdout, done.stderr)

    def config(self, name: str) -> dict[str, Any]:
        """Return the configuration that is in force, as the server tells it."""
        url = f"{self.triton.url}/v2/models/{name}/config"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.triton.url}/v2/health/ready", timeout=10):
                return True
        except urllib.error.HTTPError:
            return False

    def files(self) -> dict[str, bytes]:
        """Every file in the repository but the store's own lock, and the digests of the others."""
        return {
            path.relative_to(self.repository).as_posix(): path.read_bytes()
            for path in sorted(self.repository.rglob("*"))
            if path.is_file()
            and path.name != ".triton-deploy.lock"
            and not path.name.endswith(".@digests")
        }


@dataclass(frozen=True)
class Finished:
    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of an error; what libraries log around it does not count."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error:")]
        assert self.status == 1, (self.out, self.err)
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        assert lines[0].endswith("."), lines[0]
        return lines[0].removeprefix("Error: ")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    directory = tmp_path_factory.mktemp("mlflow")
    tracking_uri = f"sqlite:///{directory / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("log_models.py")), str(EXAMPLES)],
        cwd=directory,
        env=clean_environment() | {"MLFLOW_TRACKING_URI": tracking_uri},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Store(directory, tracking_uri, json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Iterator[Site]:
    """One server that needs every configuration complete, as production servers do."""
    repository = tmp_path_factory.mktemp("models")
    with LocalTriton(repository, disable_auto_complete=True, exit_timeout=0) as triton:
        yield Site(triton, repository, store)


@pytest.fixture
def site(shared_site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The shared server, with the environment set to it and no deployment left behind."""
    shared_site.point(monkeypatch)
    yield shared_site
    shared_site.point(monkeypatch)  # whatever the test has set meanwhile
    client = get_deploy_client("triton")
    for deployment in client.list_deployments():
        client.delete_deployment(deployment["name"])
    assert shared_site.files() == {}
    assert not list(shared_site.repository.glob(".*@*"))


@pytest.fixture
def own_site(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server for a test that leaves it in a bad state."""
    repository = tmp_path / "models"
    repository.mkdir()
    with LocalTriton(repository, exit_timeout=0) as triton:
        site = Site(triton, repository, store)
        site.point(monkeypatch)
        yield site


@pytest.fixture
def model_copy(store: Store, tmp_path: Path) -> Path:
    """The directory of a logged ONNX model (`twice`), to be changed."""
    return Path(shutil.copytree(store.logged["copy_of_twice"], tmp_path / "copy"))


@pytest.fixture
def client(site: Site) -> BaseDeploymentClient:
    return get_deploy_client("triton")


@pytest.fixture
def examples() -> Path:
    return EXAMPLES
