"""The PyTorch of the local server's backend, which tests use too: no second one is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_local_server import PackageDownloadError, ServerEnvironment, ensure_environment


def require_pytorch() -> tuple[ServerEnvironment, Path]:
    """Return the server's environment, and the folder that PyTorch is in.

    The test is skipped where nobody has a build of PyTorch for that Python.
    """
    environment = ensure_environment()
    try:
        environment.install("pytorch")
    except PackageDownloadError as error:
        pytest.skip(str(error))
    return environment, environment.backends / "pytorch/packages"
