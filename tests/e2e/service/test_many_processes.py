"""Law 6 with real processes: thirty of them at once on one name, on each kind of repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat
from triton_local_server import LocalTriton

SECONDS = 120
NAME = "shared"
HONEST = {"DeploymentBusyError", "DeploymentExistsError", "DeploymentNotFoundError"}


@pytest.fixture
def s3_repository() -> Iterator[tuple[str, LocalTriton]]:
    with MotoServer() as moto:
        moto.client().create_bucket(Bucket="models")
        moto.client().put_object(Bucket="models", Key="r/", Body=b"")
        repository = f"s3://{moto.endpoint}/models/r"
        with LocalTriton(
            repository, disable_auto_complete=True, exit_timeout=0, env=CREDENTIALS
        ) as triton:
            yield repository, triton


def _storm(repository: str, url: str, base: object, *, turns: int, env: dict[str, str]) -> None:
    with closing(connect(url)) as server:
        service = DeploymentService(open_store(repository), server, PbtxtFormat(), timeout=60.0)
        service.create("base", base)
        script = Path(__file__).with_name("thirty_processes.py")
        done = subprocess.run(
            [sys.executable, str(script), repository, url, NAME, str(turns)],
            env=os.environ | env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        found = json.loads(done.stdout)
        outcomes = found["outcomes"]
        assert set(found["statuses"]) == {0}
        assert {key for key in outcomes if not key.endswith(" done")} <= HONEST, outcomes
        assert sum(outcomes.values()) == 30 * turns
        assert outcomes["DeploymentBusyError"]
        assert outcomes["create done"]
        _require_consistent(service, server, repository)
        service.delete(NAME)
        service.delete("base")
        assert list(open_store(repository).directories()) == []


def _require_consistent(service, server, repository: str) -> None:
    """What is deployed is what serves, whoever wrote it last, and nothing else is left."""
    store = open_store(repository)
    assert not [blob.key for blob in store.list(".") if blob.key.endswith(("@lease", "@journal"))]
    names = {deployment.name for deployment in service.list()}
    assert names == {name for name, _ in server.loaded()} == set(store.directories())
    if NAME in names:
        found = service.get(NAME)
        assert found.differences == ()
        writer = server.config(NAME)["parameters"]["writer"]["string_value"]
        assert found.record.mlflow_model_uri == f"models:/m/{writer}"
        assert f'string_value: "{writer}"' in store.read(f"{NAME}/config.pbtxt").data.decode()


def test_in_a_directory(site):
    _storm(str(site.repository), site.triton.http_url, site.answering(1, 1), turns=4, env={})


def test_on_s3(shared_site, s3_repository, monkeypatch):
    repository, triton = s3_repository
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    base = shared_site.answering(1, 1)
    _storm(repository, triton.http_url, base, turns=2, env=CREDENTIALS)
