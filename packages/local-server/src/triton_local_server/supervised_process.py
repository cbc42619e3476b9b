"""The caller's end of `supervisor`: a server process that cannot outlive this one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from typing import IO, TYPE_CHECKING

from triton_local_server import supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_REPORT_SECONDS = 20.0  # for the supervisor to start the server, and to clean up after it


class SupervisedProcess:
    """A running command, its supervisor, and what the supervisor says of it.

    Args:
        command: The server's command line.
        python: Interpreter for the supervisor.
        variables: The environment of both.
        log: Where both write.
        shm_prefix: Shared memory regions of this prefix are removed at the end.
        scratch: Removed by the supervisor when this process is gone.
        exit_timeout: Seconds that the server gets for an orderly end; 0 kills it at once.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        python: Path,
        variables: Mapping[str, str],
        log: IO[bytes],
        shm_prefix: str,
        scratch: Path,
        exit_timeout: float,
    ) -> None:
        self._exit_timeout = exit_timeout
        self._shm_prefix = shm_prefix
        self._returncode: int | None = None
        program = [str(python), "-I", "-S", "-B", supervisor.__file__]
        self._supervisor = subprocess.Popen(
            [*program, str(os.getpid()), str(exit_timeout), shm_prefix, str(scratch), *command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(variables),
            start_new_session=True,  # Ctrl-C is for the caller, who then stops the server
        )
        self._unread = b""
        self.pid = self._read_pid()

    def poll(self) -> int | None:
        """Returns the server's exit status once it and all it started are gone, else None."""
        if self._returncode is None and self._supervisor.poll() is not None:
            self._finish()
        return self._returncode

    def stop(self) -> int:
        """Ends the server, in order where it has time to, and returns its exit status."""
        return self._order(b"s" if self._exit_timeout > 0 else b"k", self._exit_timeout)

    def kill(self) -> int:
        """Kills the server at once (SIGKILL) and returns its exit status."""
        return self._order(b"k", 0)

    def _order(self, order: bytes, patience: float) -> int:
        pipe = self._supervisor.stdin
        if self._supervisor.poll() is None and pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                pipe.write(order)
        try:
            self._supervisor.wait(patience + _REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        if self._returncode is None:
            self._finish()
        return self._returncode if self._returncode is not None else -signal.SIGKILL

    def _read_pid(self) -> int | None:
        """Returns the server's process id, or None when the supervisor could not start it."""
        output = self._supervisor.stdout
        while output is not None and b"\n" not in self._unread:
            ready, _, _ = select.select([output], [], [], _REPORT_SECONDS)
            chunk = output.read(64) if ready else b""
            if not chunk:
                return None
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return int(line.removeprefix(b"pid "))

    def _finish(self) -> None:
        """Reads the last report and closes the pipes."""
        if self._supervisor.stdout is not None:
            self._unread += self._supervisor.stdout.read()
            self._supervisor.stdout.close()
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()
        report = self._unread.decode()
        if report.startswith("exit "):
            self._returncode = int(report.removeprefix("exit "))
            return
        # The supervisor itself was killed, and the kernel has killed the server with it.
        self._returncode = -signal.SIGKILL
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        supervisor.remove_shared_memory(self._shm_prefix)
