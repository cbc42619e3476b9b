"""``mlflow deployments run-local``: serves until it is told to stop, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NAME = "onnx_float32_int32_int32"
MARKER = "RUN_LOCAL_TEST"
GONE_SECONDS = 60


class Local:
    """One run of the command. Whatever it starts has its marker in its environment."""

    def __init__(self, site, scratch: Path, *more: str) -> None:
        self.scratch = scratch
        scratch.mkdir()
        self._marker = uuid.uuid4().hex
        command = ["mlflow", "deployments", "run-local", "-t", "triton", "--name", "local"]
        self.process = subprocess.Popen(
            [*command, "-m", f"models:/{NAME}/1", *more],
            env=site.environment() | {MARKER: self._marker, "TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def announced(self) -> str:
        """Read what it prints up to the example request."""
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if "curl " in line:
                return text
        assert self.process.stderr is not None
        raise AssertionError(text + self.process.stderr.read())

    def processes(self) -> set[int]:
        wanted = f"{MARKER}={self._marker}".encode()
        found = set()
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may have ended meanwhile
                if wanted in (directory / "environ").read_bytes().split(b"\0"):
                    found.add(int(directory.name))
        return found

    def is_gone(self) -> bool:
        """Wait until none of its processes is left."""
        deadline = time.monotonic() + GONE_SECONDS
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@contextmanager
def running(site, scratch: Path, *more: str) -> Iterator[Local]:
    local = Local(site, scratch, *more)
    try:
        yield local
    finally:
        for pid in local.processes():
            os.kill(pid, signal.SIGKILL)
        local.process.communicate(timeout=60)


def _post(url: str, body: bytes) -> dict:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(site, tmp_path, number):
    with running(site, tmp_path / "scratch") as local:
        text = local.announced()
        line = next(line for line in text.splitlines() if "curl " in line)
        curl, silent, url, option, body = shlex.split(line)
        assert (curl, silent, option) == ("curl", "-s", "-d")
        outputs = {row["name"]: row["data"] for row in _post(url, body.encode())["outputs"]}
        assert outputs == {"OUTPUT0": [2] * 16, "OUTPUT1": [0] * 16}
        http, metrics = re.findall(r"http://\S+", text)[:2]
        for place in (f"{http}/v2/health/ready", metrics):
            with urllib.request.urlopen(place, timeout=30) as answer:
                assert answer.status == 200
        assert len(local.processes()) > 2

        local.process.send_signal(number)
        out, err = local.process.communicate(timeout=60)
        assert local.process.returncode == 0, err
        assert "Stopping the local Triton." in out
        assert "Traceback" not in err
        assert local.is_gone()
        # onnxruntime keeps a number of its own there, in one file for good.
        assert {path.name for path in local.scratch.iterdir()} <= {".ses"}
    # The real server's repository, which the environment names, is not its business.
    assert site.files() == {}


def test_killed_it_leaves_no_process_behind(site, tmp_path):
    with running(site, tmp_path / "scratch") as local:
        local.announced()
        assert len(local.processes()) > 2
        local.process.kill()
        assert local.is_gone()


def test_a_repository_that_is_kept_and_a_bad_model(site, tmp_path):
    repository = tmp_path / "kept"
    repository.mkdir()
    keep = "-C", f"triton_model_repo={repository}"
    with running(site, tmp_path / "first", *keep) as local:
        local.announced()
        local.process.send_signal(signal.SIGINT)
        assert local.process.wait(timeout=60) == 0
    assert (repository / "local" / "1" / "model.onnx").is_file()

    for uri, part in (("models:/unloadable/1", "NoSuchOperator"), ("models:/nobody/1", "No such")):
        done = site.click("run-local", "--name", "local", "-m", uri, *keep)
        assert part in done.complaint
    assert (repository / "local" / "1" / "model.onnx").is_file()


def test_a_port_that_is_taken(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = "run-local", "--name", "local", "-m", f"models:/{NAME}/1"
        complaint = site.click(*command, "-C", f"http_port={port}").complaint
    assert str(port) in complaint


def test_bad_settings(site):
    command = "run-local", "--name", "local", "-m", f"models:/{NAME}/1"
    complaint = site.click(*command, "-C", "triton_url=h:1").complaint
    assert "Known ones: triton_model_repo, timeout, max_batch_size" in complaint
    assert "has to be a port" in site.click(*command, "-C", "http_port=0").complaint
