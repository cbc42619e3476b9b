"""A real NVIDIA Triton Inference Server on this machine: no Docker and no GPU.

`LocalTriton` is the whole of it; ``python -m triton_local_server`` is the same on the command line.
"""

from triton_local_server.environment import (
    ServerEnvironment,
    ensure_environment,
    environments_home,
)
from triton_local_server.errors import (
    EnvironmentBuildError,
    InvalidOptionError,
    LocalTritonError,
    PackageDownloadError,
    PortInUseError,
    RepositoryNotFoundError,
    ServerDiedError,
    ServerNotLiveError,
    ServerNotRunningError,
    UnsupportedPlatformError,
    UnsupportedPythonError,
)
from triton_local_server.ports import Ports
from triton_local_server.server import LocalTriton

__all__ = [
    "EnvironmentBuildError",
    "InvalidOptionError",
    "LocalTriton",
    "LocalTritonError",
    "PackageDownloadError",
    "PortInUseError",
    "Ports",
    "RepositoryNotFoundError",
    "ServerDiedError",
    "ServerEnvironment",
    "ServerNotLiveError",
    "ServerNotRunningError",
    "UnsupportedPlatformError",
    "UnsupportedPythonError",
    "ensure_environment",
    "environments_home",
]
