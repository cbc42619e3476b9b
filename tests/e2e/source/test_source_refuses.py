"""What can't be had: one line that says what, where, and what to do; no file left behind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlflow_triton.source import MlflowSource
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from conftest import Store

IS_MLFLOW_3 = int(version("mlflow-skinny").partition(".")[0]) >= 3


def refusal(source: MlflowSource, uri: str) -> str:
    with pytest.raises(ModelSourceError) as caught, source.open(uri):
        pytest.fail("opened")
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "uri",
    [
        "models:/iris/99",
        "models:/nobody/1",
        "models:/nobody/latest",
        "models:/nobody/Production",
        "models:/iris/Archived",
        "models:/iris@nobody",
        "models:/nobody@champion",
        "models:/it's/latest",
        f"runs:/{'0' * 32}/triton",
        pytest.param(
            f"models:/m-{'0' * 32}",
            marks=pytest.mark.skipif(not IS_MLFLOW_3, reason="MLflow 2 has no logged models"),
        ),
    ],
)
def test_unknown(store: Store, temporary: Path, uri: str) -> None:
    message = refusal(store.source, uri)

    assert any(part in message for part in (uri, uri.split("/")[1]))
    assert f"(tracking server {store.tracking_uri})" in message
    assert "List what there is with mlflow.search_" in message
    assert not list(temporary.iterdir())


def test_run_without_that_model(store: Store, temporary: Path) -> None:
    run_id = store.logged["first"]["run_id"]

    message = refusal(store.source, f"runs:/{run_id}/other")

    assert f"Run {run_id} has no model at 'other'" in message
    assert f"mlflow artifacts list --run-id {run_id}" in message


def test_artifact_directory_without_a_model(store: Store, temporary: Path) -> None:
    uri = f"{store.logged['first']['artifact_uri']}/nothing/here"

    assert "is not an MLflow model" in refusal(store.source, uri)
    assert not list(temporary.iterdir())


@pytest.mark.skipif(IS_MLFLOW_3, reason="MLflow 3 has logged models")
def test_logged_model_under_mlflow_2(local_store: Store) -> None:
    assert "Install MLflow 3" in refusal(local_store.source, "models:/m-1")


def test_no_directory(tmp_path: Path) -> None:
    assert "there is no directory" in refusal(MlflowSource(), str(tmp_path / "nowhere"))
    (tmp_path / "MLmodel").mkdir()
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal(MlflowSource(), str(tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    assert "has no MLmodel file" in refusal(MlflowSource(), str(tmp_path / "empty"))


def test_server_that_is_down(closed_port: int) -> None:
    source = MlflowSource(f"http://user:secret@127.0.0.1:{closed_port}")

    message = refusal(source, "models:/iris/1")

    assert f"http://127.0.0.1:{closed_port} can't be reached" in message
    assert "models:/iris/1" in message
    assert "connection refused" in message
    assert "secret" not in message


def test_server_with_no_such_host() -> None:
    message = refusal(MlflowSource("http://nobody.invalid"), "models:/iris/1")

    assert "can't be reached" in message


def test_server_that_never_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = MlflowSource(f"http://127.0.0.1:{silent.getsockname()[1]}", connect_timeout=0.3)

        assert "did not answer in time" in refusal(source, "models:/iris/1")


class Answering(BaseHTTPRequestHandler):
    """Answers every request alike; ``/health`` too, unless it is healthy."""

    status = 200
    body = b"{}"
    is_healthy = True

    def do_GET(self) -> None:
        healthy = self.is_healthy and self.path == "/health"
        self.send_response(200 if healthy else self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def answering() -> Iterator[type[Answering]]:
    class Handler(Answering):
        pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Handler
        finally:
            server.shutdown()
            thread.join()


def test_gateway_without_a_server(answering) -> None:
    answering.status, answering.is_healthy = 503, False

    assert "HTTP status 503" in refusal(MlflowSource(answering.url), "models:/iris/1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'),
        (401, b"You are not authenticated."),
    ],
)
def test_no_permission(answering, status: int, body: bytes) -> None:
    answering.status, answering.body = status, body

    message = refusal(MlflowSource(answering.url), "models:/iris/1")

    assert "Not allowed to read models:/iris/1" in message
    assert "MLFLOW_TRACKING_USERNAME" in message


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>no"), (200, b"<html>hi"), (200, b"3")])
def test_not_an_mlflow_server(answering, status: int, body: bytes) -> None:
    answering.status, answering.body = status, body

    message = refusal(MlflowSource(answering.url), "models:/iris/1")

    assert answering.url in message


def test_lookup_that_takes_too_long(answering) -> None:
    answering.status = 500  # MLflow retries this for minutes

    source = MlflowSource(answering.url, lookup_timeout=0.3)

    assert "no answer within 0.3 s" in refusal(source, "models:/iris/1")


def test_artifact_store_without_its_library(tmp_path: Path) -> None:
    message = refusal(MlflowSource(f"sqlite:///{tmp_path}/m.db"), "nonsense://bucket/model")

    assert "nonsense://bucket/model" in message
