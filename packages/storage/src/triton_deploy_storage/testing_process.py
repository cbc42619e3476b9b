"""A server in a process of its own, for contract suites."""

from __future__ import annotations

import subprocess
import sys
from typing import TypeVar

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
            [sys.executable, "-c", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not line:
            self.__exit__()
            raise RuntimeError(f"the server did not start: pip install '{self._package}'")
        self.endpoint = f"http://127.0.0.1:{line}"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=_STOP_SECONDS)
