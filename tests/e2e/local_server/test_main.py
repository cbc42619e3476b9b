"""``python -m triton_local_server`` as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("environment")

COMMAND = [sys.executable, "-m", "triton_local_server"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def serving(repository, traces):
    """The command serving a python model, and what it printed."""
    repository.python("plus")
    name, _, value = traces.marker.partition("=")
    with subprocess.Popen(
        [*COMMAND, "--model-repository", str(repository.root), "--load-model", "plus"],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        yield process, lines
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_stop(serving, traces, api, number):
    process, lines = serving
    found = re.match(r"HTTP +(http://127\.0\.0\.1:\d+)$", lines[0])
    assert found, lines
    assert re.match(r"gRPC +grpc://127\.0\.0\.1:\d+$", lines[1])
    assert re.match(r"Metrics +http://127\.0\.0\.1:\d+/metrics$", lines[2])
    assert Path(lines[3].split()[1]).is_file()
    assert "Ctrl-C" in lines[4]
    answer = api(found[1]).infer("plus", [("x", "FP32", [1], [1])])
    assert answer == {"y": ("FP32", [1], [2.0])}
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert not traces.processes


def test_tells_when_the_server_dies(serving, traces):
    process, _ = serving
    server = next(
        pid
        for pid in traces.processes
        if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"tritonserver")
    )
    os.kill(server, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("error: The local Triton server ended by itself with status -9.")
    assert "Started HTTPService" in errors
    assert not traces.processes


def test_one_line_for_a_missing_repository(tmp_path):
    done = run("--model-repository", str(tmp_path / "missing"))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"error: The model repository \S+/missing does not exist: .*\n", done.stderr
    )


def test_one_line_for_a_taken_port(repository):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = run("--model-repository", str(repository.root), "--grpc-port", str(port))
    assert done.returncode == 1
    assert re.fullmatch(rf"error: Port {port} \(grpc_port\) on 127.0.0.1 .*\n", done.stderr)


def test_setup_only_prints_where_the_environment_is(environment):
    done = run("--setup-only")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{environment.root}\n", "")
