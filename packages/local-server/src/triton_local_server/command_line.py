"""The command line of ``tritonserver``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_local_server.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from triton_local_server.ports import Ports

MODEL_CONTROL_MODES = ("explicit", "none", "poll")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the caller decides about a server, its ports aside.

    Attributes:
        repository: A directory, or what else ``--model-repository`` takes (``s3://…``, ``gs://…``).
        host: Address to listen on.
        model_control_mode: ``explicit``, ``none`` or ``poll``.
        load_models: Models to load at the start, in mode ``explicit`` only; ``*`` is all.
        disable_auto_complete: Whether each model needs a complete ``config.pbtxt``.
        exit_timeout: Seconds that requests in flight get at the end.
        extra_args: Further arguments of ``tritonserver``, as they are.
    """

    repository: str
    host: str = "127.0.0.1"
    model_control_mode: str = "explicit"
    load_models: tuple[str, ...] = ()
    disable_auto_complete: bool = False
    exit_timeout: float = 10.0
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.model_control_mode not in MODEL_CONTROL_MODES:
            raise InvalidOptionError(
                f"model_control_mode={self.model_control_mode!r} is unknown: choose one of "
                f"{', '.join(MODEL_CONTROL_MODES)}."
            )
        if self.load_models and self.model_control_mode != "explicit":
            raise InvalidOptionError(
                "load_models works with model_control_mode='explicit' only, and this is "
                f"{self.model_control_mode!r}, which loads every model: leave one of them out."
            )
        if self.exit_timeout < 0:
            raise InvalidOptionError(
                f"exit_timeout={self.exit_timeout:g} is negative: give seconds, or 0 to kill "
                "at once."
            )

    def serves(self, service: str) -> bool:
        """Whether the server is going to listen for `service` (``http``, ``grpc``, ``metrics``)."""
        return not any(argument.startswith(f"--allow-{service}") for argument in self.extra_args)


def command_line(
    server: Path, options: ServerOptions, ports: Ports, *, backends: Path, shm_prefix: str
) -> Sequence[str]:
    """Returns the command that starts the server.

    Args:
        server: The binary.
        options: What the caller decided; `ServerOptions.extra_args` come last, and so win.
        ports: Where to listen.
        backends: The backend directory.
        shm_prefix: First part of the names of the server's shared memory regions.
    """
    command = [
        str(server),
        f"--model-repository={options.repository}",
        f"--backend-directory={backends}",
        # Python-based backends take their settings from "python" too.
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        f"--http-address={options.host}",
        f"--http-port={ports.http}",
        f"--grpc-address={options.host}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={options.host}",
        f"--metrics-port={ports.metrics}",
        "--allow-gpu-metrics=false",  # without a GPU they only complain
        "--pinned-memory-pool-byte-size=0",
        f"--model-control-mode={options.model_control_mode}",
        f"--exit-timeout-secs={max(1, round(options.exit_timeout))}",
    ]
    command += [f"--load-model={name}" for name in options.load_models]
    if options.disable_auto_complete:
        command.append("--disable-auto-complete-config")
    return [*command, *options.extra_args]
