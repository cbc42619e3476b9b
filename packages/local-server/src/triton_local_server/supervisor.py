"""A small program between the caller and the server: nothing outlives the caller, however it ends.

It runs on its own (``python supervisor.py CALLER_PID EXIT_SECONDS SHM_PREFIX SCRATCH COMMAND…``)
and imports nothing but the standard library. It starts the server in a process group of its own and
watches the pipe on its standard input: ``s`` asks for an orderly end, ``k`` for an immediate one,
and the end of file, or another parent than before, means that the caller is gone. What the server
leaves behind (stubs, shared memory, the caller's scratch directory) is removed. On standard output
it says ``pid N`` and, at the end, ``exit N``.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_AGAIN_SECONDS = 0.5
_GRACE_SECONDS = 5.0  # over the server's own exit timeout, for unloading models

_libc = ctypes.CDLL(None, use_errno=True) if __name__ == "__main__" else None


def remove_shared_memory(prefix: str) -> None:
    """Removes the shared memory regions whose names begin with `prefix`."""
    for region in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108 - where POSIX regions live
        region.unlink(missing_ok=True)


class Supervisor:
    """Runs one server and ends it when told to, or when the caller is gone."""

    def __init__(self, caller: int, exit_seconds: float, command: list[str]) -> None:
        self._caller = caller
        self._exit_seconds = exit_seconds
        self._deadline: float | None = None
        self.caller_is_gone = False
        self._signals, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            preexec_fn=_before_exec,  # noqa: PLW1509 - this program has one thread
        )

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid

    def watch(self) -> int:
        """Returns the server's exit status when it has ended and nothing of it is left."""
        control = [0, self._signals]
        while self._server.poll() is None:
            ready, _, _ = select.select(control, [], [], _LOOK_AGAIN_SECONDS)
            if 0 in ready:
                self._obey(os.read(0, 1))
            if self._signals in ready:
                self._heed(os.read(self._signals, 64))
            if os.getppid() != self._caller:
                self._obey(b"")
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._kill()
        self._sweep()
        return int(self._server.returncode)

    def _obey(self, order: bytes) -> None:
        if order == b"s":
            self._end()
            return
        self.caller_is_gone = not order
        self._kill()
        self._server.wait()

    def _heed(self, signals: bytes) -> None:
        if any(number != signal.SIGCHLD for number in signals):
            self._end()

    def _end(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._exit_seconds + _GRACE_SECONDS
            self._server.terminate()

    def _kill(self) -> None:
        try:
            os.killpg(self._server.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._server.kill()  # it has not reached setpgid yet

    def _sweep(self) -> None:
        """Kills and reaps what the server left: its orphans are children of this process now."""
        while True:
            for child in _children():
                _kill_quietly(child)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _before_exec() -> None:
    os.setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # should this program itself be killed


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


def _children() -> list[int]:
    own = os.getpid()
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == own
    ]


def _parent(process: Path) -> int:
    try:
        status = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended
        return 0
    return int(status.rpartition(")")[2].split()[1])  # pid (name) state ppid …


def _kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _say(line: str) -> None:
    try:
        os.write(1, f"{line}\n".encode())
    except BrokenPipeError:  # nobody is left to hear it
        return


def main(arguments: list[str]) -> int:
    """Runs the command and returns 0 when everything of it is gone."""
    caller, exit_seconds, shm_prefix, scratch, *command = arguments
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    supervisor = Supervisor(int(caller), float(exit_seconds), command)
    _say(f"pid {supervisor.pid}")
    status = supervisor.watch()
    remove_shared_memory(shm_prefix)
    if supervisor.caller_is_gone:
        import shutil  # noqa: PLC0415 - keeps the common start short

        shutil.rmtree(scratch, ignore_errors=True)
    _say(f"exit {status}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
