"""Starting and stopping a real server, and what it says when it cannot start."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest

from triton_local_server import (
    LocalTriton,
    PortInUseError,
    RepositoryNotFoundError,
    ServerDiedError,
    ServerNotLiveError,
    ServerNotRunningError,
)

pytestmark = pytest.mark.usefixtures("environment")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
    return content


def test_serves_http_grpc_and_metrics_while_the_block_lasts(repository):
    triton = LocalTriton(repository.root)
    with pytest.raises(ServerNotRunningError, match="no ports yet"):
        _ = triton.http_url
    with triton:
        assert triton.is_running
        assert triton.returncode is None
        assert Path(f"/proc/{triton.pid}").exists()
        assert b"2.51.0" in get(f"{triton.url}/v2")
        assert b"nv_cpu_utilization" in get(triton.metrics_url)
        host, _, port = triton.grpc_url.partition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        log = triton.log_path
        assert "Started HTTPService" in log.read_text()
        pid = triton.pid
    assert not triton.is_running
    assert triton.returncode == 0
    assert not Path(f"/proc/{pid}").exists()
    assert not log.exists()
    assert any("Started HTTPService" in line for line in triton.log_tail(100))
    triton.stop()  # once more does nothing
    with pytest.raises(ServerNotRunningError, match="ended with status 0"):
        _ = triton.pid


def test_a_stopped_server_starts_again_on_its_ports(repository):
    triton = LocalTriton(repository.root, exit_timeout=0)
    with triton:
        first, pid = triton.ports, triton.pid
        triton.start()  # it runs: nothing happens
        assert triton.pid == pid
        triton.restart()
        assert (triton.ports, triton.pid != pid) == (first, True)
        triton.kill()
        assert triton.returncode == -9
        triton.start()
        assert triton.ports == first
        assert get(f"{triton.url}/v2/health/ready") == b""


def test_two_servers_at_once_do_not_meet(repository, traces):
    repository.python("plus")
    with (
        LocalTriton(repository.root, load_models=["plus"], exit_timeout=0) as one,
        LocalTriton(repository.root, exit_timeout=0) as two,
    ):
        ports = {*(one.ports.http, one.ports.grpc, one.ports.metrics)}
        assert ports.isdisjoint({two.ports.http, two.ports.grpc, two.ports.metrics})
        two.stop()
        assert get(f"{one.url}/v2/models/plus/ready") == b""


def test_ports_that_the_caller_chose(repository):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        triton = LocalTriton(repository.root, http_port=port)
        with pytest.raises(PortInUseError, match=rf"Port {port} \(http_port\) on 127.0.0.1"):
            triton.start()
        assert not triton.is_running
    with LocalTriton(repository.root, http_port=port, exit_timeout=0) as triton:
        assert triton.http_url == f"127.0.0.1:{port}"


def test_repository_must_be_a_directory(tmp_path):
    with pytest.raises(RepositoryNotFoundError, match="missing does not exist"):
        LocalTriton(tmp_path / "missing").start()
    (tmp_path / "file").touch()
    with pytest.raises(RepositoryNotFoundError, match="file is not a directory"):
        LocalTriton(tmp_path / "file").start()


def test_a_server_that_dies_at_the_start_tells_why(repository):
    triton = LocalTriton(repository.root, load_models=["absent"])
    with pytest.raises(ServerDiedError, match="before it was live") as caught:
        triton.start()
    assert "absent" in str(caught.value)
    assert caught.value.returncode == 1
    assert not triton.is_running


def test_an_unknown_argument_is_in_the_error(repository):
    with pytest.raises(ServerDiedError, match="no-such-option"):
        LocalTriton(repository.root, extra_args=["--no-such-option=1"]).start()


def test_a_server_that_dies_later_leaves_its_log(repository, tmp_path):
    log = tmp_path / "logs/triton.log"
    with LocalTriton(repository.root, log_file=log) as triton:
        triton.kill()
        assert triton.wait(timeout=10) == -9
        assert not triton.is_running
    assert "Started HTTPService" in log.read_text()
    before = log.stat().st_size
    with LocalTriton(repository.root, log_file=log, exit_timeout=0) as triton:
        assert len(triton.log_tail(1000)) < len(log.read_text().splitlines())
    assert log.stat().st_size > before


def test_the_deadline_ends_a_start_that_hangs(repository, traces):
    repository.python("slow", "import time\ntime.sleep(600)\n")
    triton = LocalTriton(
        repository.root,
        load_models=["slow"],
        start_timeout=1,
        env=dict([traces.marker.split("=")]),
    )
    with pytest.raises(ServerNotLiveError, match="not live within 1 s") as caught:
        triton.start()
    assert "loading: slow:1" in str(caught.value)
    assert traces.gone()


def test_live_by_default_and_ready_when_asked(repository):
    (repository.root / "broken/1").mkdir(parents=True)
    (repository.root / "broken/1/model.onnx").write_bytes(b"this is no model")
    options = {"model_control_mode": "none", "extra_args": ["--exit-on-error=false"]}
    with LocalTriton(repository.root, exit_timeout=0, **options) as triton:
        with pytest.raises(ServerNotLiveError, match=r"not ready within 0\.2 s"):
            triton.wait_until_ready(timeout=0.2)
        assert triton.is_running
    (repository.root / "broken/1/model.onnx").unlink()
    (repository.root / "broken/1").rmdir()
    (repository.root / "broken").rmdir()
    with LocalTriton(repository.root, exit_timeout=0, wait_for="ready") as triton:
        triton.wait_until_ready(timeout=5)


def test_services_that_are_switched_off_are_not_waited_for(repository):
    off = ["--allow-grpc=false", "--allow-metrics=false"]
    with LocalTriton(repository.root, extra_args=off, exit_timeout=0) as triton:
        assert get(f"{triton.url}/v2/health/live") == b""


def test_paths_with_spaces(repository, api, tmp_path, monkeypatch):
    repository.python("plus")
    root = tmp_path / "my models; $HOME"
    repository.root.rename(root)
    temporary = tmp_path / "temporary files"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with LocalTriton(root, load_models=["plus"], exit_timeout=0) as triton:
        answer = api(triton.url).infer("plus", [("x", "FP32", [2], [1, 2])])
        assert answer == {"y": ("FP32", [2], [2.0, 3.0])}


def test_the_callers_python_variables_do_not_reach_models(repository, api, monkeypatch):
    repository.python("plus")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    extra = {"LOCAL_TRITON_VARIABLE": "seen"}
    with LocalTriton(repository.root, load_models=["plus"], env=extra, exit_timeout=0) as triton:
        answer = api(triton.url).infer("plus", [("x", "FP32", [1], [1])])
        variables = Path(f"/proc/{triton.pid}/environ").read_bytes().split(b"\0")
        assert any("executing 1" in line for line in triton.log_tail())
    assert answer == {"y": ("FP32", [1], [2.0])}
    assert b"LOCAL_TRITON_VARIABLE=seen" in variables
    assert not [one for one in variables if one.startswith((b"PYTHONPATH=", b"PYTHONHOME="))]


@pytest.mark.parametrize("service", ["http", "grpc", "metrics"])
def test_a_port_that_is_lost_to_another_process_is_replaced(repository, tmp_path, service):
    # The argument takes the place of the free port, so that every attempt meets a taken one.
    log = tmp_path / "log"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = f"--{service}-port={listener.getsockname()[1]}"
        with pytest.raises(ServerDiedError, match="already in use"):
            LocalTriton(repository.root, extra_args=[taken], log_file=log).start()
    assert log.read_text().count("model_repository_path[0]") == 5
