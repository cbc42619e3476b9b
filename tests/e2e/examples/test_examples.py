"""The programs in examples/, run as a user would run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from triton_local_server import LocalTriton

EXAMPLES = Path(__file__).parents[3] / "examples"
SECONDS = 240


def run(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_embedding_the_core(tmp_path):
    with LocalTriton(tmp_path, exit_timeout=0) as triton:
        model = EXAMPLES / "onnx_float32_int32_int32" / "1" / "model.onnx"
        said = run(EXAMPLES / "embed_core.py", tmp_path, triton.http_url, model)
        assert said == "embedded serves version 1: READY\n"
        assert not (tmp_path / "embedded").exists()


def test_embedding_needs_no_mlflow():
    program = "import sys, runpy\nsys.modules['mlflow'] = None\nrunpy.run_path(sys.argv[1])"
    assert "ready: True" in run("-c", program, EXAMPLES / "embed_fakes.py")


def test_a_project_that_embeds_the_core():
    project = EXAMPLES / "embedding"
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={project}", project)


def test_embedding_is_short():
    for name in ("embed_core.py", "embed_fakes.py"):
        lines = (EXAMPLES / name).read_text().splitlines()[3:]
        code = [line for line in lines if line and not line.startswith(("from ", "import "))]
        assert len(code) <= 15


def test_the_quick_start(tmp_path):
    said = run(EXAMPLES / "quickstart.py", "--keep", tmp_path)
    for command in ("create", "list", "get", "predict", "update", "delete"):
        assert f"$ mlflow deployments {command}" in said
    assert "output.json equals expected_output.json." in said
    assert said.splitlines()[-1].startswith("Next: docs/tutorial.md")
    assert _servers_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_quick_start_stops_what_it_started(tmp_path, number):
    with _started(tmp_path) as process:
        _wait_for(lambda: _servers_of(tmp_path), process)
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
        assert process.returncode != 0
    _wait_for(lambda: not _servers_of(tmp_path), None)


def _started(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Nothing is logged: it is stopped as soon as there is a server.
        [
            sys.executable,
            *map(str, (EXAMPLES / "quickstart.py", "--keep", directory)),
            "--logger=true",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _wait_for(condition, process) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _servers_of(directory: Path) -> list[int]:
    """Processes of a Triton that reads models below a directory."""
    return [
        pid
        for pid, command in _processes()
        if "tritonserver" in command and str(directory) in command
    ]


def _processes() -> Iterator[tuple[int, str]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                command = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            yield int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")
