"""A server in a process of its own, for contract suites."""

from __future__ import annotations

import select
import subprocess
import sys
from typing import TypeVar

_START_SECONDS = 60
_STOP_SECONDS = 10
_Server = TypeVar("_Server", bound="ChildServer")


class ChildServer:
    """A server for as long as a ``with`` block, and never longer than this process.

    Args:
        program: Python that serves on a free port of this machine, prints the port's number, and
            ends when its standard input does.
        package: what to install when it does not start.
    """

    def __init__(self, program: str, *, package: str) -> None:
        self._program = program
        self._package = package
        self._process: subprocess.Popen[str] | None = None
        self.endpoint = ""

    def __enter__(self: _Server) -> _Server:  # noqa: PYI019  (no typing_extensions here)
        """Start it on a free port; `endpoint` is its URL."""
        self._process = subprocess.Popen(
            # Isolated: a file of the caller's directory may bear the name of the server's package.
            [sys.executable, "-I", "-c", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        port = self._port()
        if not port:
            self.__exit__()
            raise RuntimeError(f"the server did not start: pip install '{self._package}'")
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    def _port(self) -> str:
        """Return what the server prints once it listens, nothing if it ends or takes too long."""
        output = None if self._process is None else self._process.stdout
        if output is None or not select.select([output], [], [], _START_SECONDS)[0]:
            return ""
        return output.readline().strip()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=_STOP_SECONDS)
