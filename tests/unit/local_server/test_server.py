from __future__ import annotations

import http.server
import threading

import pytest

from triton_local_server import (
    InvalidOptionError,
    LocalTriton,
    LocalTritonError,
    RepositoryNotFoundError,
    ServerDiedError,
    ServerNotRunningError,
)
from triton_local_server.__main__ import main
from triton_local_server.health import is_healthy
from triton_local_server.safe_path import safe_path, scratch_directory
from triton_local_server.server_log import ServerLog


def test_before_the_start(tmp_path):
    triton = LocalTriton(tmp_path)
    assert (triton.is_running, triton.returncode, triton.log_tail()) == (False, None, [])
    for ask in ("pid", "ports", "url", "http_url", "grpc_url", "metrics_url", "log_path"):
        with pytest.raises(ServerNotRunningError, match=r"start\(\)"):
            getattr(triton, ask)
    triton.stop()
    triton.kill()


def test_options_are_checked_before_anything_is_done(tmp_path):
    with pytest.raises(InvalidOptionError):
        LocalTriton(tmp_path, model_control_mode="auto")
    with pytest.raises(InvalidOptionError):
        LocalTriton(tmp_path, http_port=70000)
    with pytest.raises(RepositoryNotFoundError):
        LocalTriton(tmp_path / "missing").start()


def test_every_error_is_a_local_triton_error():
    error = ServerDiedError("It died.", returncode=1, log_tail=["one", "two"])
    assert isinstance(error, LocalTritonError)
    assert str(error) == "It died.\n    one\n    two"


def test_log_of_one_run(tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    log = ServerLog(path)
    assert log.tail(5) == []
    with path.open("a") as file:
        file.write("one\n\ntwo\n\nUsage: tritonserver [options]\n  --help\n")
    assert log.tail(5) == ["one", "two"]
    assert log.tail(1) == ["two"]
    log.keep()
    path.unlink()
    assert log.tail(5) == ["one", "two"]


def test_log_that_is_not_there(tmp_path):
    assert ServerLog(tmp_path / "log").tail(5) == []


def test_safe_paths(tmp_path, monkeypatch):
    plain, odd = tmp_path / "plain", tmp_path / "with space"
    odd.mkdir()
    assert safe_path(plain, tmp_path, "link") == plain
    link = safe_path(odd, tmp_path, "link")
    assert link == tmp_path / "link"
    assert link.resolve() == odd
    assert safe_path(odd, tmp_path, "link") == link
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    scratch = scratch_directory()
    assert " " not in str(scratch)
    scratch.rmdir()


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/health/live" else 400)
        self.end_headers()

    def log_message(self, *args) -> None:
        pass


def test_health():
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        assert is_healthy("127.0.0.1", port, "live")
        assert not is_healthy("127.0.0.1", port, "ready")
        server.shutdown()
        thread.join()
    assert not is_healthy("127.0.0.1", port, "live")


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    for option in (
        "--model-repository",
        "--setup-only",
        "--http-port",
        "--load-model",
        "examples:",
    ):
        assert option in told


@pytest.mark.parametrize("arguments", [[], ["--setup-only", "--model-repository", "x"]])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--model-repository" in capsys.readouterr().err
