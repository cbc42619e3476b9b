# ruff: noqa: INP001 - a file in a folder as Triton wants it, not a package
"""What a backend of the local server works with, installed when the first model needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

VARIABLE = "TRITON_LOCAL_SERVER_BACKEND_SETUP"
"""JSON: the command that installs what a backend needs, and the environment to run it in."""
PACKAGES = "packages"


def require_packages(backend: Path) -> None:
    """Makes what a backend needs importable, from the folder `PACKAGES` in its directory.

    The server's own packages go before it.

    Raises:
        TritonModelException: They are not there and can't be installed.
    """
    if not (backend / PACKAGES).is_dir():
        _install(backend.name)
    sys.path.append(str(backend / PACKAGES))


def _install(backend: str) -> None:
    setup = os.environ.get(VARIABLE)
    if setup is None:
        raise pb_utils.TritonModelException(
            f"what the backend '{backend}' needs is not installed: start this server with "
            "triton_local_server"
        )
    told = json.loads(setup)
    done = subprocess.run(
        [*told["command"], backend],
        check=False,
        env={**os.environ, **told["environment"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)  # noqa: T201 - to the server's log
        reason = (done.stdout.strip().splitlines() or ["no reason is given"])[0]
        raise pb_utils.TritonModelException(f"the backend '{backend}' is not installed: {reason}")
