"""The supervisor with ordinary programs in the server's place."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from triton_local_server.supervised_process import SupervisedProcess
from triton_local_server.supervisor import remove_shared_memory

SHELL = "/bin/sh"


@pytest.fixture
def supervise(tmp_path):
    started: list[SupervisedProcess] = []

    def start(script: str, exit_timeout: float = 10) -> SupervisedProcess:
        with (tmp_path / "log").open("ab") as log:
            process = SupervisedProcess(
                [SHELL, "-c", script],
                python=Path(sys.executable),
                variables=os.environ,
                log=log,
                shm_prefix=f"triton_local_test_{os.getpid()}_",
                scratch=tmp_path / "scratch",
                exit_timeout=exit_timeout,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def ended(process: SupervisedProcess) -> int | None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll()


def running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_reports_the_exit_status(supervise):
    assert ended(supervise("exit 7")) == 7
    assert ended(supervise("kill -9 $$")) == -signal.SIGKILL


def test_stop_is_orderly(supervise, tmp_path):
    process = supervise(f"trap 'exit 4' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done")
    while not (tmp_path / "up").exists():
        time.sleep(0.01)
    assert process.poll() is None
    assert process.stop() == 4
    assert process.stop() == 4
    assert process.kill() == 4


def test_without_time_to_stop_it_is_killed(supervise):
    assert supervise("exec sleep 60", exit_timeout=0).stop() == -signal.SIGKILL


def test_kill(supervise):
    assert supervise("trap '' TERM; sleep 60", exit_timeout=60).kill() == -signal.SIGKILL


@pytest.mark.parametrize("detach", ["", "setsid "])
def test_what_the_program_leaves_behind_is_killed(supervise, tmp_path, detach):
    left = tmp_path / "pid"
    process = supervise(
        f"{detach}sh -c 'echo $$ > {left}.new; mv {left}.new {left}; exec sleep 60' "
        f"& while [ ! -e {left} ]; do sleep 0.01; done"
    )
    assert ended(process) == 0
    assert not running(int(left.read_text()))


def test_shared_memory_of_the_prefix_only(tmp_path):
    own = [Path(f"/dev/shm/triton_local_test_{os.getpid()}_{n}") for n in (1, 2)]
    other = Path(f"/dev/shm/triton_local_tes_{os.getpid()}")
    for region in (*own, other):
        region.touch()
    try:
        remove_shared_memory(f"triton_local_test_{os.getpid()}_")
        assert [region.exists() for region in (*own, other)] == [False, False, True]
    finally:
        other.unlink()


def test_shared_memory_is_removed_at_the_end(supervise):
    region = f"/dev/shm/triton_local_test_{os.getpid()}_x"
    assert ended(supervise(f"touch {region}")) == 0
    assert not Path(region).exists()


def test_a_program_that_does_not_exist(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        process = SupervisedProcess(
            ["/no/such/program"],
            python=Path(sys.executable),
            variables=os.environ,
            log=log,
            shm_prefix="triton_local_test_none_",
            scratch=tmp_path,
            exit_timeout=1,
        )
    assert process.pid is None
    assert ended(process) is not None
    assert "/no/such/program" in (tmp_path / "log").read_text()
