"""Law 10: with a canary in every credential, none of it is ever told, written or logged."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner
from mlflow.deployments import get_deploy_client
from mlflow.deployments.cli import commands

from mlflow_triton import repair

CANARY = "c4n4ry"
SECRETS = {
    "AWS_ACCESS_KEY_ID": f"{CANARY}-key",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret",
    "AWS_SESSION_TOKEN": f"{CANARY}-session",
    "MLFLOW_TRACKING_USERNAME": f"{CANARY}-user",
    "MLFLOW_TRACKING_PASSWORD": f"{CANARY}-password",
    "MLFLOW_TRACKING_TOKEN": f"{CANARY}-token",
}
OURS = ("mlflow_triton", "triton_deploy_core", "triton_deploy_storage", "triton_deploy_transport")


@pytest.fixture
def told(monkeypatch, caplog):
    """Everything that commands say, their causes and our log at its most talkative included."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for logger in OURS:
        caplog.set_level(logging.DEBUG, logger)
    texts = []

    def run(*arguments: str) -> str:
        program = repair.main if arguments[0] == "repair" else commands
        words = list(arguments[1:] if arguments[0] == "repair" else arguments)
        done = CliRunner().invoke(program, words)
        causes = []
        error = done.exception
        while error is not None:
            causes += [str(error), repr(error)]
            error = error.__cause__ or error.__context__
        texts.extend([done.output, *causes])
        return done.output

    run.texts = texts
    yield run
    texts.extend(record.getMessage() for record in caplog.records)
    found = [text for text in texts if CANARY in text]
    assert found == []


def test_of_the_servers_url(site, told, monkeypatch):
    address = site.triton.http_url.removeprefix("http://")
    monkeypatch.setenv("TRITON_URL", f"http://{CANARY}:{CANARY}@{address}")
    on_triton = ("-t", "triton", "--name", "x")
    told("create", *on_triton, "-m", "models:/twice/1")
    assert "is created" in told.texts[0]
    told("update", *on_triton, "-m", "models:/unloadable/1")
    told("get", *on_triton)
    told("list", "-t", "triton")
    told("predict", *on_triton, "-I", "/nowhere.json")
    told("repair")
    told("create", *on_triton, "-m", "models:/twice/1")
    told("update", "-t", f"triton://{CANARY}@{address}", "--name", "x", "-C", "nonsense=1")
    assert not any(CANARY.encode() in data for data in site.files().values())
    monkeypatch.setenv("TRITON_URL", f"http://{CANARY}:{CANARY}@127.0.0.1:9")
    told("delete", *on_triton)
    monkeypatch.setenv("TRITON_URL", f"ftp://{CANARY}:{CANARY}@{address}")
    told("delete", *on_triton)
    monkeypatch.setenv("TRITON_URL", f"http://{CANARY}:{CANARY}@{address}")
    told("delete", *on_triton)
    assert site.files() == {}


def test_of_stores_and_models(site, told, monkeypatch):
    on_triton = ("-t", "triton", "--name", "x")
    for uri in (
        f"http://{CANARY}:{CANARY}@127.0.0.1:9/model",
        f"s3://{CANARY}:{CANARY}@127.0.0.1:9/bucket/model",
        f"https://127.0.0.1:9/model?token={CANARY}",
    ):
        told("create", *on_triton, "-m", uri)
    for repository in (
        f"s3://http://{CANARY}:{CANARY}@127.0.0.1:9/bucket/prefix",
        "s3://http://127.0.0.1:9/bucket/prefix",
        f"ftp://{CANARY}:{CANARY}@host/prefix",
    ):
        monkeypatch.setenv("TRITON_MODEL_REPO", repository)
        told("list", "-t", "triton")
    monkeypatch.setenv("TRITON_MODEL_REPO", str(site.repository))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{CANARY}:{CANARY}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told("create", *on_triton, "-m", "models:/twice/1")
    assert all(told.texts)
    assert site.files() == {}
    assert get_deploy_client("triton").list_deployments() == []
