"""The server's private environment: found in the user's cache, or built there on first use."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from triton_local_server.backend_directory import backend_directory
from triton_local_server.backend_packages import install_backend
from triton_local_server.errors import EnvironmentBuildError, with_tail
from triton_local_server.file_lock import file_lock
from triton_local_server.installer import clean_variables, install
from triton_local_server.interpreter import (
    PYTHON_VARIABLE,
    Interpreter,
    choose_interpreter,
    preferred_versions,
)
from triton_local_server.platform_support import require_supported_platform
from triton_local_server.requirements import PINS, environment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HOME_VARIABLE = "TRITON_LOCAL_SERVER_HOME"
_MARKER = ".complete"
_SETUP_TIMEOUT_SECONDS = 1800.0
_STUB_WITHOUT_ARGUMENTS = 1  # what a stub that can be loaded exits with

_log = logging.getLogger("triton_local_server")


@dataclass(frozen=True, slots=True)
class ServerEnvironment:
    """A complete environment on disk.

    Attributes:
        root: A virtual environment with the server and numpy.
        interpreter: What it was built on.
    """

    root: Path
    interpreter: Interpreter

    @property
    def python(self) -> Path:
        """The environment's own interpreter, which python models run in."""
        return self.root / "bin/python"

    @property
    def server(self) -> Path:
        """The ``tritonserver`` binary."""
        return self._triton / "bin/tritonserver"

    @property
    def backends(self) -> Path:
        """The value of ``--backend-directory``; laid out on the first use."""
        return backend_directory(self.root, self._triton, self.interpreter.version)

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Returns `inherited` with what the server and its stubs need added."""
        libraries = [
            str(self._site_packages / "nvidia_pytriton.libs"),
            self.interpreter.library_directory,
            inherited.get("LD_LIBRARY_PATH", ""),
        ]
        return {
            **clean_variables(inherited),
            "PATH": f"{self.root / 'bin'}:{inherited.get('PATH') or os.defpath}",
            "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
            "PYTHONNOUSERSITE": "1",
        }

    def install(self, backend: str, progress: Callable[[str], None] | None = None) -> None:
        """Installs what one of this package's own backends needs, unless it is there.

        Args:
            backend: Such as ``fil``; see `install_backend`.
            progress: As for `ensure_environment`.

        Raises:
            InvalidOptionError: There is no such backend.
            EnvironmentBuildError: It can't be installed; `PackageDownloadError` without a network.
        """
        install_backend(self.backends, self.python, backend, progress or _log.info)

    @property
    def _site_packages(self) -> Path:
        return self.root / "lib" / f"python{self.interpreter.version}" / "site-packages"

    @property
    def _triton(self) -> Path:
        return self._site_packages / "pytriton/tritonserver"


def environments_home(home: str | os.PathLike[str] | None = None) -> Path:
    """Returns the directory that holds the environments.

    `home` comes first, then ``TRITON_LOCAL_SERVER_HOME``, then ``triton-local-server`` in the
    user's cache directory (``XDG_CACHE_HOME``, else ``~/.cache``).
    """
    if chosen := home or os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "triton-local-server"


def ensure_environment(
    home: str | os.PathLike[str] | None = None,
    *,
    python: str | None = None,
    requirements: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> ServerEnvironment:
    """Returns the server's environment, building it where there is none yet.

    Of several processes one builds and the others wait for it; a build that was interrupted is
    begun again.

    Args:
        home: See `environments_home`.
        python: The interpreter to build on; see `choose_interpreter`.
        requirements: What python models need, as in a ``requirements.txt``. Each set has an
            environment of its own. numpy stays the server's, whose stub can't do with numpy 2:
            what needs that one can't be installed.
        progress: Told, in one line each, what takes time. The package's logger where left out.

    Raises:
        UnsupportedPlatformError: Not Linux on x86-64.
        UnsupportedPythonError: No usable interpreter.
        EnvironmentBuildError: The build failed; `PackageDownloadError` without a network.
    """
    require_supported_platform()
    folder = environments_home(home)
    if not (python or os.environ.get(PYTHON_VARIABLE)):
        for version in preferred_versions():
            if found := _load(folder / environment_name(version, requirements)):
                return found
    interpreter = choose_interpreter(python)
    root = folder / environment_name(interpreter.version, requirements)
    return _load(root) or _build_once(root, interpreter, requirements, progress or _log.info)


def _load(root: Path) -> ServerEnvironment | None:
    """Returns the environment in `root`, or None where it is missing, half built or broken."""
    try:
        facts = json.loads((root / _MARKER).read_text(encoding="utf-8"))
        environment = ServerEnvironment(root, Interpreter(**facts))
    except (OSError, ValueError, TypeError):
        return None
    # The interpreter that it was built on may have been removed since.
    usable = os.access(environment.python, os.X_OK) and os.access(environment.server, os.X_OK)
    return environment if usable else None


def _build_once(
    root: Path,
    interpreter: Interpreter,
    requirements: Sequence[str],
    progress: Callable[[str], None],
) -> ServerEnvironment:
    def on_wait() -> None:
        progress("Waiting for another process that sets up the local Triton server …")

    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(root.with_name(f"{root.name}.lock"), _SETUP_TIMEOUT_SECONDS, on_wait):
            return _load(root) or _build(root, interpreter, requirements, progress)
    except OSError as error:  # a TimeoutError of the lock too
        raise EnvironmentBuildError(
            f"Could not set up the local Triton server in {root.parent}: {error}. "
            f"Name another directory in {HOME_VARIABLE}."
        ) from error


def _build(
    root: Path,
    interpreter: Interpreter,
    requirements: Sequence[str],
    progress: Callable[[str], None],
) -> ServerEnvironment:
    progress(f"Setting up the local Triton server in {root} (first use only) …")
    install(root, interpreter.executable, PINS, _SETUP_TIMEOUT_SECONDS, more=requirements)
    environment = ServerEnvironment(root, interpreter)
    _check_stub(environment)
    marker = root / f"{_MARKER}.new"
    marker.write_text(json.dumps(asdict(interpreter)), encoding="utf-8")
    marker.replace(root / _MARKER)
    progress("The local Triton server is set up.")
    return environment


def _check_stub(environment: ServerEnvironment) -> None:
    """Checks that the stub can be loaded: one that cannot makes every model load hang."""
    stub = environment.backends / "python/triton_python_backend_stub"
    done = subprocess.run(
        [str(stub)],
        check=False,
        env=environment.variables(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=60,
    )
    if done.returncode != _STUB_WITHOUT_ARGUMENTS:
        raise EnvironmentBuildError(
            with_tail(
                f"The server's Python stub does not run with {environment.interpreter.executable}: "
                f"name another interpreter in {PYTHON_VARIABLE}. Its output:",
                done.stdout.splitlines()[-5:],
            )
        )
