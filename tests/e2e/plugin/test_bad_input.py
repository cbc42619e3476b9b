"""Bad input: one clear line, exit status 1, nothing touched."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from triton_local_server import LocalTriton

CREATE = "create", "--name", "x", "-m", "models:/twice/1"
UPDATE = "update", "--name", "x", "-m", "models:/twice/1"
DELETE = "delete", "--name", "x"
GET = "get", "--name", "x"
LIST = ("list",)


@pytest.fixture(autouse=True)
def _nothing_touched(site) -> Iterator[None]:
    def state() -> tuple[dict[str, bytes], list[str]]:
        directories = (path.name for path in site.repository.iterdir() if path.is_dir())
        return site.files(), sorted(directories)

    before = state()
    yield
    assert state() == before
    assert site.is_ready()


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("models:/nobody/1", ["No such model", "models:/nobody/1"]),
        ("models:/twice/99", ["No such model, version", "models:/twice/99"]),
        ("models:/nobody/latest", ["no version of a model named 'nobody'"]),
        ("models:/twice@nobody", ["No such model", "models:/twice@nobody"]),
        ("models:/twice", ["needs a version", "models:/twice/1"]),
        ("models:/", ["Not a model URI"]),
        ("runs:/0123456789abcdef0123456789abcdef/triton", ["No such", "runs:/0123456789abcdef"]),
        ("/nowhere/at/all", ["there is no directory /nowhere/at/all"]),
        ("nonsense://bucket/model", ["nonsense://bucket/model"]),
        ("", ["model URI is empty"]),
    ],
)
def test_a_model_that_is_not_there(site, uri, parts):
    complaint = site.click("create", "--name", "x", "-m", uri).complaint
    assert all(part in complaint for part in parts), complaint


def test_a_model_that_its_run_has_not(site, store):
    uri = f"runs:/{store.logged['twice']['run_id']}/nobody"
    complaint = site.click("create", "--name", "x", "-m", uri).complaint
    assert "has no model at 'nobody'" in complaint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Model name cannot be empty. Please enter a valid name to deploy."),
        (" ", "Model name cannot be empty. Please enter a valid name to deploy."),
        ("..", "Path traversal is not allowed in model's name: .."),
        ("a/b", "Path traversal is not allowed in model's name: a/b"),
        (".", "Model name '.' is not allowed"),
        ("a b", "Model name 'a b' has characters that Triton cannot serve."),
        ("a\nb", r"Model name 'a\nb' has characters that Triton cannot serve."),
        ("modèle", "Model name 'modèle' has characters that Triton cannot serve."),
    ],
)
@pytest.mark.parametrize("command", ["create", "update", "delete", "get"])
def test_a_name_that_is_none(site, command, name, message):
    more = ["-m", "models:/twice/1"] if command in {"create", "update"} else []
    assert message in site.click(command, "--name", name, *more).complaint


@pytest.mark.parametrize("command", [UPDATE, GET], ids=lambda command: command[0])
def test_a_name_that_does_not_exist(site, command):
    complaint = site.click(*command).complaint
    assert f"There is no deployment 'x' in {site.repository}." in complaint


def test_to_delete_what_is_not_there_is_no_error(site):
    done = site.click(*DELETE)
    assert (done.status, done.err) == (0, "")


def test_a_name_that_exists(site, client):
    client.create_deployment("x", "models:/twice/1")
    try:
        before = site.files()
        complaint = site.click(*CREATE).complaint
        assert f"There is a deployment 'x' in {site.repository} already." in complaint
        assert site.files() == before
    finally:
        client.delete_deployment("x")


@pytest.mark.parametrize("command", [CREATE, UPDATE, DELETE, GET], ids=lambda command: command[0])
def test_a_directory_that_is_not_ours(site, command):
    theirs = site.repository / "x" / "1" / "model.onnx"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    try:
        complaint = site.click(*command).complaint
        assert "holds a directory 'x' that no MLflow deployment made" in complaint
        assert site.files() == {"x/1/model.onnx": b"theirs"}
    finally:
        theirs.unlink()
        theirs.parent.rmdir()
        theirs.parent.parent.rmdir()


every_command = pytest.mark.parametrize(
    "command", [CREATE, UPDATE, DELETE, GET, LIST], ids=lambda command: command[0]
)


@every_command
def test_no_repository(site, monkeypatch, command):
    monkeypatch.delenv("TRITON_MODEL_REPO")
    assert "Set TRITON_MODEL_REPO" in site.click(*command).complaint


@every_command
def test_a_repository_that_does_not_exist(site, monkeypatch, tmp_path, command):
    missing = tmp_path / "missing"
    monkeypatch.setenv("TRITON_MODEL_REPO", str(missing))
    complaint = site.click(*command).complaint
    assert f"The model repository {missing} is no directory: create it" in complaint
    assert not missing.exists()


def test_a_repository_that_is_a_file(site, monkeypatch):
    monkeypatch.setenv("TRITON_MODEL_REPO", __file__)
    assert f"The model repository {__file__} is no directory" in site.click(*CREATE).complaint


@pytest.mark.parametrize("location", ["as://user:secret@bucket/models", "ftp://host/models"])
def test_a_repository_of_a_kind_that_is_not_supported(site, monkeypatch, location):
    monkeypatch.setenv("TRITON_MODEL_REPO", location)
    complaint = site.click(*CREATE).complaint
    assert "not supported" in complaint
    assert "secret" not in complaint


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_credentials_in_a_repositorys_location_are_refused_and_not_shown(site, monkeypatch, scheme):
    monkeypatch.setenv("TRITON_MODEL_REPO", f"{scheme}://user:secret@bucket/models")
    complaint = site.click(*CREATE).complaint
    assert "credentials do not belong there" in complaint
    assert "secret" not in complaint


@pytest.mark.parametrize("command", [CREATE, UPDATE, DELETE], ids=lambda command: command[0])
def test_a_read_only_repository(site, monkeypatch, tmp_path, command):
    repository = tmp_path / "read-only"
    repository.mkdir()
    monkeypatch.setenv("TRITON_MODEL_REPO", str(repository))
    site.click(*LIST)  # what it imports may be out of a stranger's reach
    with _as_stranger(repository):
        complaint = site.click(*command).complaint
    assert complaint.startswith(f"Cannot write to {repository}: Permission denied")
    assert list(repository.iterdir()) == []


@contextmanager
def _as_stranger(directory: Path) -> Iterator[None]:
    """Without the permission to write there, even where tests run as root."""
    privileged = os.geteuid() == 0
    directory.chmod(0o555)
    if privileged:
        os.seteuid(65534)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)
        directory.chmod(0o755)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# `get` of a name that is not deployed asks no server.
asking_command = pytest.mark.parametrize(
    "command", [CREATE, UPDATE, DELETE, LIST], ids=lambda command: command[0]
)


@asking_command
def test_a_server_that_is_down(site, free_port, command):
    complaint = site.click(*command, target=f"triton://127.0.0.1:{free_port}").complaint
    assert f"No connection to Triton at 127.0.0.1:{free_port}: connection refused" in complaint
    assert "Start the server or correct the URL." in complaint


def test_a_host_that_has_no_address(site):
    complaint = site.click(*CREATE, target="triton://nobody.invalid:8000").complaint
    assert "nobody.invalid:8000: the host's name can't be resolved" in complaint


class _WebPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Welcome</title>")

    do_POST = do_GET  # noqa: N815 (the name that the library calls)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_page() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _WebPage)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@asking_command
def test_something_that_is_not_triton(site, web_page, command):
    complaint = site.click(*command, target=f"triton:http://127.0.0.1:{web_page}").complaint
    assert "answered with a web page" in complaint
    assert "HTTP port" in complaint


@pytest.mark.parametrize("which", ["grpc", "metrics"])
@pytest.mark.parametrize("command", [CREATE, DELETE, LIST], ids=lambda command: command[0])
def test_another_port_of_triton(site, which, command):
    port = getattr(site.triton.ports, which)
    complaint = site.click(*command, target=f"triton://127.0.0.1:{port}").complaint
    assert f"127.0.0.1:{port}" in complaint
    assert "HTTP port" in complaint


def test_a_server_that_is_not_in_explicit_mode(site, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_MODEL_REPO", str(tmp_path))
    with LocalTriton(tmp_path, model_control_mode="none", exit_timeout=0) as triton:
        for command in (CREATE, UPDATE, DELETE):
            complaint = site.click(*command, target=f"triton:{triton.url}").complaint
            assert "--model-control-mode=explicit" in complaint
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_hangs(site, hanging, monkeypatch):
    monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", "0.3")
    target = f"triton://127.0.0.1:{hanging}"
    for command in (CREATE, UPDATE, DELETE):
        complaint = site.click(*command, "-C", "timeout=0.3", target=target).complaint
        assert f"Triton at 127.0.0.1:{hanging} did not answer within" in complaint
    # Not even the long time that a load may take is waited for an answer to a first question.
    for command in (CREATE, LIST):
        complaint = site.click(*command, target=target).complaint
        assert "did not answer within 0.3 s" in complaint


@pytest.mark.parametrize("command", [CREATE, UPDATE], ids=lambda command: command[0])
def test_an_unknown_key(site, command):
    complaint = site.click(*command, "-C", "max_batchsize=4").complaint
    assert "'max_batchsize'" in complaint
    assert "Did you mean max_batch_size?" in complaint


def test_an_unknown_key_of_delete(site):
    complaint = site.click(*DELETE, "-C", "max_batch_size=4").complaint
    assert "Known ones: triton_url, " in complaint
    assert ", triton_model_repo, " in complaint
    assert "instance_count" not in complaint


def test_an_unknown_key_in_the_target_uri(site):
    complaint = site.click(*LIST, target="triton://localhost:8000?color=red").complaint
    assert "'color' in the target URI" in complaint


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("max_batch_size=many", "-C max_batch_size='many': it has to be a whole number."),
        ("instance_count=0", "-C instance_count='0': it has to be 1 or more."),
        ("dynamic_batching=2", "-C dynamic_batching='2': it has to be true or false (on or off)."),
        ("timeout=0", "-C timeout='0': it has to be a number of seconds above zero."),
    ],
)
def test_a_value_that_a_setting_can_not_have(site, pair, message):
    assert site.click(*CREATE, "-C", pair).complaint == message


def test_a_value_that_this_model_can_not_have(site, model_copy):
    command = "create", "--name", "x", "-m", str(model_copy)
    complaint = site.click(*command, "-C", "max_batch_size=0", "-C", "dynamic_batching=1").complaint
    assert "dynamic_batching=true can't be had" in complaint


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("max_batch_size: many", ["config.pbtxt"]),
        ('name: "other"\nplatform: "onnxruntime_onnx"\n', ["config.pbtxt", "name"]),
        (
            'platform: "onnxruntime_onnx"\ninput [ { name: "x" data_type: TYPE_FP32 } ]\n',
            ["config.pbtxt is not valid", "Nothing was left in the repository"],
        ),
    ],
)
def test_a_config_that_triton_would_refuse(site, model_copy, content, parts):
    (model_copy / "config.pbtxt").write_text(content)
    complaint = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert all(part in complaint for part in parts), complaint


def test_a_model_without_its_file(site, model_copy):
    (model_copy / "model.onnx").unlink()
    complaint = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert "The model has no file 'model.onnx'" in complaint


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a model at all"])
def test_a_model_file_that_is_none(site, model_copy, content):
    (model_copy / "model.onnx").write_bytes(content)
    complaint = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert "model.onnx" in complaint


def test_an_endpoint(site):
    complaint = site.click(*LIST, "--endpoint", "e").complaint
    assert "Triton has no endpoints, so there is no 'e'." in complaint


def test_the_true_command_line_says_the_same(site):
    """What this file else asks in its own process, asked in one of its own."""
    done = site.mlflow("create", "--name", "x", "-m", "models:/nobody/1")
    assert done.complaint == site.click("create", "--name", "x", "-m", "models:/nobody/1").complaint
