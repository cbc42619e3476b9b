"""Everything that can go wrong with a local Triton.

::

    LocalTritonError
    ├── UnsupportedPlatformError     not Linux on x86-64
    ├── UnsupportedPythonError       no interpreter that the server's environment can be built on
    ├── EnvironmentBuildError        the private environment could not be built
    │   └── PackageDownloadError     … because the package index could not be reached
    ├── InvalidOptionError           an option that contradicts itself or another one
    ├── RepositoryNotFoundError      the model repository is not a directory
    ├── PortInUseError               a port that the caller chose is taken
    ├── ServerNotRunningError        asked of a server that has not been started
    ├── ServerDiedError              the server ended by itself (its last log lines are attached)
    └── ServerNotLiveError           the server missed the start deadline (likewise)

The first line of each message says what happened, where, and what to do; the lines that follow, if
any, are the end of the server's log or of the installer's output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class LocalTritonError(Exception):
    """Base of every error that this package raises on purpose."""


class UnsupportedPlatformError(LocalTritonError):
    """The server's binary does not run on this machine."""


class UnsupportedPythonError(LocalTritonError):
    """No usable Python interpreter for the server's own environment."""


class EnvironmentBuildError(LocalTritonError):
    """The server's private environment could not be built."""


class PackageDownloadError(EnvironmentBuildError):
    """The packages of the environment could not be downloaded."""


class InvalidOptionError(LocalTritonError, ValueError):
    """An option has a value that cannot work."""


class RepositoryNotFoundError(LocalTritonError):
    """The model repository does not exist or is not a directory."""


class PortInUseError(LocalTritonError):
    """A port that the caller chose cannot be listened on."""


class ServerNotRunningError(LocalTritonError):
    """The server has not been started, or has been stopped."""


class ServerDiedError(LocalTritonError):
    """The server's process ended without being asked to.

    Attributes:
        returncode: Exit status; negative for the signal that ended it.
    """

    def __init__(self, message: str, *, returncode: int, log_tail: Sequence[str] = ()) -> None:
        super().__init__(with_tail(message, log_tail))
        self.returncode = returncode


class ServerNotLiveError(LocalTritonError, TimeoutError):
    """The server did not become live (or ready, where that was asked for) in time."""

    def __init__(self, message: str, *, log_tail: Sequence[str] = ()) -> None:
        super().__init__(with_tail(message, log_tail))


def with_tail(message: str, lines: Sequence[str]) -> str:
    """Returns `message` followed by `lines`, indented."""
    return "\n".join([message, *(f"    {line}" for line in lines)])
