"""Whatever is killed, nothing of the server stays: no process, no shared memory, no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triton_local_server import LocalTriton

pytestmark = pytest.mark.usefixtures("environment")

PARENT = """
import os, sys, threading, time
from triton_local_server import LocalTriton

triton = LocalTriton(sys.argv[1], load_models=["plus", "identity"])

# The thread that starts the server ends before the process does.
starter = threading.Thread(target=triton.start)
starter.start()
starter.join()
if sys.argv[2] == "plain" or os.fork():
    print(triton.pid, triton.log_path.parent, flush=True)
time.sleep(120)
"""


@pytest.fixture
def parent(repository, traces, request):
    """A process with a server that has two models, to be killed."""
    repository.python("plus")
    repository.identity("identity", config="instance_group [{ kind: KIND_CPU count: 1 }]")
    how = getattr(request, "param", "plain")
    name, _, value = traces.marker.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(repository.root), how],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        pid, scratch = process.stdout.readline().split()
        yield process, int(pid), Path(scratch)
        process.kill()
        for leftover in traces.processes:
            os.kill(leftover, signal.SIGKILL)


def regions_left(regions: list[str]) -> list[str]:
    return [region for region in regions if Path("/dev/shm", region).exists()]


def test_parent_killed(parent, traces):
    process, server, scratch = parent
    regions = traces.shared_memory()
    assert len(traces.stubs) == 2
    assert server in traces.processes
    assert len(regions_left(regions)) == 2
    assert scratch.is_dir()
    process.kill()
    process.wait()
    assert traces.gone()
    assert not regions_left(regions)
    assert not scratch.exists()


@pytest.mark.parametrize("parent", ["fork"], indirect=True)
def test_parent_killed_while_a_forked_child_of_it_holds_the_pipe(parent, traces):
    process, server, _ = parent
    process.kill()
    process.wait()
    # What is left is the child that the parent forked, and nothing of the server.
    deadline = time.monotonic() + 30
    while len(traces.processes) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(traces.processes) == 1
    assert server not in traces.processes
    assert not traces.stubs


def test_parent_terminated(parent, traces):
    process, _, scratch = parent
    regions = traces.shared_memory()
    process.terminate()
    process.wait()
    assert traces.gone()
    assert not regions_left(regions)
    assert not scratch.exists()


def started(repository, traces) -> LocalTriton:
    repository.python("plus")
    repository.identity("identity", config="instance_group [{ kind: KIND_CPU count: 1 }]")
    triton = LocalTriton(
        repository.root,
        load_models=["plus", "identity"],
        env=dict([traces.marker.split("=", 1)]),
    )
    triton.start()
    return triton


def test_server_killed(repository, traces):
    triton = started(repository, traces)
    try:
        regions = traces.shared_memory()
        assert len(regions) == 2
        os.kill(triton.pid, signal.SIGKILL)
        assert triton.wait(timeout=20) == -signal.SIGKILL
        assert not traces.processes
        assert not regions_left(regions)
    finally:
        triton.stop()


def test_supervisor_killed(repository, traces):
    triton = started(repository, traces)
    try:
        regions = traces.shared_memory()
        status = Path(f"/proc/{triton.pid}/stat").read_text()
        supervisor = int(status.rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        assert triton.wait(timeout=20) == -signal.SIGKILL
        assert traces.gone()
        assert not regions_left(regions)
    finally:
        triton.stop()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_stop_and_kill_leave_nothing(repository, traces, how):
    triton = started(repository, traces)
    try:
        regions = traces.shared_memory()
        scratch = triton.log_path.parent
        assert len(regions_left(regions)) == 2
        getattr(triton, how)()
        assert not traces.processes
        assert not regions_left(regions)
        assert not scratch.exists()
    finally:
        triton.stop()


def test_an_error_in_the_block_stops_the_server(repository, traces):
    marker = dict([traces.marker.split("=", 1)])
    with pytest.raises(KeyError), LocalTriton(repository.root, env=marker):
        raise KeyError
    assert not traces.processes
