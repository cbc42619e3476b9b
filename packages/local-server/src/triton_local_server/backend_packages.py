"""What this package's own backends work with, installed when it is needed.

A backend's directory has a ``requirements.txt``: exact pins, installed without dependencies into
a folder of the server's environment that its own ``packages`` is a link to. That folder's name
follows the pins, so that an upgrade of this package installs again only what has other pins. The
stub of the first model that needs the backend starts this module, as the server's environment tells
it (`setup_variables`); `install_backend` does it ahead.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from triton_local_server.backend_directory import REQUIREMENTS, own_backends
from triton_local_server.errors import (
    EnvironmentBuildError,
    InvalidOptionError,
    LocalTritonError,
)
from triton_local_server.file_lock import file_lock
from triton_local_server.installer import install_into

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VARIABLE = "TRITON_LOCAL_SERVER_BACKEND_SETUP"
PACKAGES = "packages"
_TIMEOUT_SECONDS = 1800.0
_RUN = f"import sys; from {__name__} import main; sys.exit(main(sys.argv[1:]))"


def install_backend(
    backends: Path, python: Path, backend: str, progress: Callable[[str], None]
) -> None:
    """Installs what a backend needs, unless it is there.

    Of several processes one installs and the others wait for it.

    Args:
        backends: The backend directory of a server's environment.
        python: That environment's interpreter.
        backend: One of `own_backends`.
        progress: Told, in one line each, what takes time.

    Raises:
        InvalidOptionError: There is no such backend.
        EnvironmentBuildError: It can't be installed; `PackageDownloadError` without a network.
    """
    if backend not in own_backends():
        raise InvalidOptionError(
            f"The local Triton server has no backend {backend!r} of its own: choose one of "
            f"{', '.join(own_backends())}."
        )
    directory = backends / backend
    link = directory / PACKAGES
    if link.is_dir():
        return
    target = backends.parent / _folder(directory)

    def on_wait() -> None:
        progress(f"Waiting for another process that installs the backend {backend} …")

    try:
        with file_lock(target.with_name(f"{target.name}.lock"), _TIMEOUT_SECONDS, on_wait):
            if not target.is_dir():
                progress(f"Installing the backend {backend} (first use only) …")
                _install(directory, python, target)
            if not link.is_dir():
                link.unlink(missing_ok=True)
                link.symlink_to(Path("..", "..", target.name))
    except OSError as error:  # a TimeoutError of the lock too
        raise EnvironmentBuildError(
            f"Could not install the backend {backend} in {directory}: {error}."
        ) from error


def _folder(directory: Path) -> str:
    pins = hashlib.sha256((directory / REQUIREMENTS).read_bytes()).hexdigest()[:12]
    return f"{PACKAGES}-{directory.name}-{pins}"


def _install(directory: Path, python: Path, target: Path) -> None:
    # Built aside and renamed, so that nobody sees half of it.
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=target.parent) as scratch:
        building = Path(scratch, PACKAGES)
        install_into(building, python, directory / REQUIREMENTS, _TIMEOUT_SECONDS)
        building.rename(target)


def setup_variables(backends: Path, python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns what tells the server's stubs how to install what a backend needs.

    Args:
        backends: See `install_backend`.
        python: See `install_backend`.
        environment: This process's own, since the server's has libraries that are not for others.
    """
    own = {name: environment.get(name, "") for name in ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH")}
    command = [sys.executable, "-c", _RUN, str(backends), str(python)]
    return {VARIABLE: json.dumps({"command": command, "environment": own})}


def main(arguments: Sequence[str]) -> int:
    """Installs what a backend needs: ``BACKENDS PYTHON NAME``. Returns the exit status."""
    backends, python, backend = arguments
    try:
        install_backend(Path(backends), Path(python), backend, lambda _: None)
    except LocalTritonError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
