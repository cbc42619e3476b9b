"""`LocalTriton`: a real Triton on this machine, for as long as a ``with`` block."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from triton_local_server.backend_packages import setup_variables
from triton_local_server.command_line import ServerOptions, command_line
from triton_local_server.environment import ServerEnvironment, ensure_environment
from triton_local_server.errors import (
    PortInUseError,
    RepositoryNotFoundError,
    ServerDiedError,
    ServerNotLiveError,
    ServerNotRunningError,
)
from triton_local_server.health import Condition, is_healthy
from triton_local_server.listening import listening_ports
from triton_local_server.ports import PortRequest, Ports, choose_ports
from triton_local_server.safe_path import safe_path, scratch_directory
from triton_local_server.server_log import ServerLog
from triton_local_server.supervised_process import SupervisedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

_POLL_SECONDS = 0.02
_ATTEMPTS = 5  # at finding ports that no one takes before the server does
_TAIL_LINES = 20
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class LocalTriton:
    """A Triton server of this process's own.

    The first start on a machine builds the server's environment (see `ensure_environment`); a later
    one takes about half a second. The server, with all that it starts, ends with `stop`, at the end
    of the ``with`` block, or when this process ends, even by ``kill -9``. Python models
    are served by Triton's python backend, ONNX models, forests of trees, OpenVINO's IR and
    TorchScript by this package's own backends `onnxruntime`, `fil`, `openvino` and `pytorch`, which
    are installed when the first model needs them.

    ::

        with LocalTriton("models", load_models=["iris"]) as triton:
            urllib.request.urlopen(f"{triton.url}/v2/models/iris")

    Args:
        repository: The model repository: a directory, or an ``s3://``, ``gs://``, ``as://`` place.
        http_port: Port for HTTP; a free one where left out. Likewise the other two.
        grpc_port: Port for gRPC.
        metrics_port: Port for Prometheus metrics.
        host: Address of this machine to listen on.
        model_control_mode: ``explicit`` (load on request), ``none`` (all, once) or ``poll``.
        load_models: Models to load at the start in mode ``explicit``; ``["*"]`` for all.
        disable_auto_complete: Require a complete ``config.pbtxt`` of each model.
        extra_args: Further arguments of ``tritonserver``.
        env: Variables for the server, over those of this process.
        log_file: Appended to and kept. Where left out, the log lasts as long as the server.
        start_timeout: Seconds until the server must be live, models to load included.
        exit_timeout: Seconds that requests in flight get when it stops; 0 kills it at once, which
            saves the second that Triton takes to unload its models.
        wait_for: ``live``, or ``ready``, which a failed model prevents.
        home: Where the server's environment is; see `environments_home`.
        python: The interpreter to build it on; see `choose_interpreter`.
        requirements: What python models need; see `ensure_environment`.
        backends: Own backends to install before the server starts, not at the first model's load.
        progress: Told, in one line each, what takes time on the first start.

    Raises:
        InvalidOptionError: Options that cannot work; from the constructor.
    """

    def __init__(
        self,
        repository: str | os.PathLike[str],
        *,
        http_port: int | None = None,
        grpc_port: int | None = None,
        metrics_port: int | None = None,
        host: str = "127.0.0.1",
        model_control_mode: str = "explicit",
        load_models: Iterable[str] = (),
        disable_auto_complete: bool = False,
        extra_args: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        log_file: str | os.PathLike[str] | None = None,
        start_timeout: float = 60.0,
        exit_timeout: float = 10.0,
        wait_for: Condition = "live",
        home: str | os.PathLike[str] | None = None,
        python: str | None = None,
        requirements: Iterable[str] = (),
        backends: Iterable[str] = (),
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._options = ServerOptions(
            repository=os.fspath(repository),
            host=host,
            model_control_mode=model_control_mode,
            load_models=tuple(load_models),
            disable_auto_complete=disable_auto_complete,
            exit_timeout=exit_timeout,
            extra_args=tuple(extra_args),
        )
        self._request = PortRequest(http_port, grpc_port, metrics_port)
        self._env = dict(env or {})
        self._log_file = Path(log_file).absolute() if log_file else None
        self._start_timeout = start_timeout
        self._wait_for = wait_for
        self._home = home
        self._python = python
        self._requirements = tuple(requirements)
        self._backends = tuple(backends)
        self._progress = progress
        self._ports: Ports | None = None
        self._process: SupervisedProcess | None = None
        self._log: ServerLog | None = None
        self._scratch: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and waits until it is live; does nothing when it runs.

        A server that was stopped starts again on the same ports.

        Raises:
            UnsupportedPlatformError: Not Linux on x86-64.
            UnsupportedPythonError: No interpreter for the server's environment.
            EnvironmentBuildError: That environment could not be built, or a backend installed.
            InvalidOptionError: One of `backends` is none of this package's.
            RepositoryNotFoundError: The repository is not a directory.
            PortInUseError: A port that the caller chose is taken.
            ServerDiedError: The server ended; with its last log lines.
            ServerNotLiveError: It was not live in time; with its last log lines.
        """
        if self.is_running:
            return
        self.stop()
        self._require_repository()
        environment = ensure_environment(
            self._home,
            python=self._python,
            requirements=self._requirements,
            progress=self._progress,
        )
        for backend in self._backends:
            environment.install(backend, self._progress)
        request = self._request
        if self._ports is not None:
            request = PortRequest(self._ports.http, self._ports.grpc, self._ports.metrics)
        for attempt in range(1, _ATTEMPTS + 1):
            self._ports = choose_ports(self._options.host, request)
            try:
                self._launch(environment, self._ports)
                self._wait(self._wait_for, self._start_timeout)
            except ServerDiedError as error:
                taken = "already in use" in str(error)
                self.stop()
                self._ports = None
                if taken and not request.leaves_choice:
                    raise PortInUseError(
                        f"Another process took one of the ports {request.chosen} on "
                        f"{self._options.host} meanwhile: choose others, or leave them out."
                    ) from error
                if not taken or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                return

    def stop(self) -> None:
        """Stops the server, its stubs and its shared memory; does nothing when it does not run."""
        try:
            if self._process is not None and self._process.poll() is None:
                self._process.stop()
        finally:
            self._discard_scratch()

    def kill(self) -> None:
        """Kills the server at once (SIGKILL), as a crash would; `start` works after it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._discard_scratch()

    def restart(self) -> None:
        """Stops the server and starts it again on the same ports."""
        self.stop()
        self.start()

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Waits until the server says that it and all its models are ready.

        Raises:
            ServerDiedError: The server ended.
            ServerNotLiveError: It was not ready within `timeout` seconds.
        """
        self._require_running()
        self._wait("ready", timeout)

    @property
    def is_running(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit status of the last run, negative for a signal; None while or before it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int:
        """Process id of ``tritonserver``."""
        process = self._require_running()
        if process.pid is None:
            raise ServerNotRunningError("The local Triton server has no process: see its log.")
        return process.pid

    @property
    def ports(self) -> Ports:
        """The ports of the last start."""
        if self._ports is None:
            raise ServerNotRunningError(
                "The local Triton server has no ports yet: start() it, or use it in a with block."
            )
        return self._ports

    @property
    def http_url(self) -> str:
        """``host:port`` of HTTP, as tritonclient takes it."""
        return self._address(self.ports.http)

    @property
    def grpc_url(self) -> str:
        """``host:port`` of gRPC."""
        return self._address(self.ports.grpc)

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{self.http_url}"

    @property
    def metrics_url(self) -> str:
        """``http://host:port/metrics``, for Prometheus."""
        return f"http://{self._address(self.ports.metrics)}/metrics"

    @property
    def log_path(self) -> Path:
        """The log file; without `log_file` it is removed when the server stops."""
        if self._log is None:
            raise ServerNotRunningError("The local Triton server has no log yet: start() it.")
        return self._log.path

    def log_tail(self, lines: int = _TAIL_LINES) -> list[str]:
        """Returns the last `lines` lines of the last run's log, also after `stop`."""
        return self._log.tail(lines) if self._log is not None else []

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits until the server ends by itself; returns its exit status, None after `timeout`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_running:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(0.1)
        return self.returncode

    def _require_repository(self) -> None:
        repository = self._options.repository
        if "://" in repository:
            return
        path = Path(repository).expanduser().absolute()
        if not path.is_dir():
            what = "is not a directory" if path.exists() else "does not exist"
            raise RepositoryNotFoundError(
                f"The model repository {path} {what}: create it, or name another one."
            )

    def _launch(self, environment: ServerEnvironment, ports: Ports) -> None:
        scratch = self._scratch = scratch_directory()
        log = self._log = ServerLog(self._log_file or scratch / "triton.log")
        log.path.parent.mkdir(parents=True, exist_ok=True)
        options = self._options
        if "://" not in options.repository:
            local = Path(options.repository).expanduser().absolute()
            options = replace(options, repository=str(safe_path(local, scratch, "repository")))
        shm_prefix = f"triton_local_{uuid.uuid4().hex}_"
        backends = safe_path(environment.backends, scratch, "backends")
        with log.path.open("ab") as sink:
            self._process = SupervisedProcess(
                command_line(
                    environment.server, options, ports, backends=backends, shm_prefix=shm_prefix
                ),
                python=environment.python,
                variables={
                    **environment.variables(os.environ),
                    **setup_variables(environment.backends, environment.python, os.environ),
                    **self._env,
                },
                log=sink,
                shm_prefix=shm_prefix,
                scratch=scratch,
                exit_timeout=options.exit_timeout,
            )

    def _wait(self, condition: Condition, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._is(condition):
            if not self.is_running:
                status = self.returncode or 0
                raise ServerDiedError(
                    f"The local Triton server ended with status {status} before it was "
                    f"{condition}. The last lines of its log:",
                    returncode=status,
                    log_tail=self.log_tail(),
                )
            if time.monotonic() >= deadline:
                raise ServerNotLiveError(
                    f"The local Triton server at {self.http_url} was not {condition} within "
                    f"{timeout:g} s. The last lines of its log:",
                    log_tail=self.log_tail(),
                )
            time.sleep(_POLL_SECONDS)

    def _is(self, condition: Condition) -> bool:
        process = self._require_process()
        ports = self.ports
        expected = {
            port
            for service, port in (
                ("http", ports.http),
                ("grpc", ports.grpc),
                ("metrics", ports.metrics),
            )
            if self._options.serves(service)
        }
        if process.pid is None or not expected <= listening_ports(process.pid):
            return False
        host = _WILDCARDS.get(self._options.host, self._options.host)
        return not self._options.serves("http") or is_healthy(host, ports.http, condition)

    def _address(self, port: int) -> str:
        host = _WILDCARDS.get(self._options.host, self._options.host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _require_process(self) -> SupervisedProcess:
        if self._process is None:
            raise ServerNotRunningError(
                "The local Triton server has not been started: start() it, or use a with block."
            )
        return self._process

    def _require_running(self) -> SupervisedProcess:
        process = self._require_process()
        if process.poll() is not None:
            raise ServerNotRunningError(
                f"The local Triton server has ended with status {process.poll()}: start() it again."
            )
        return process

    def _discard_scratch(self) -> None:
        if self._scratch is None:
            return
        if self._log is not None:
            self._log.keep()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch = None
