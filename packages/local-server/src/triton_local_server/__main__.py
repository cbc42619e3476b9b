"""``python -m triton_local_server``: serves a model repository until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from triton_local_server.backend_directory import own_backends
from triton_local_server.command_line import MODEL_CONTROL_MODES
from triton_local_server.environment import HOME_VARIABLE, ensure_environment
from triton_local_server.errors import LocalTritonError, ServerDiedError
from triton_local_server.interpreter import PYTHON_VARIABLE
from triton_local_server.server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_EPILOG = f"""\
The first start builds the server's private environment (some 220 MB) in the cache directory;
{HOME_VARIABLE} names another directory, {PYTHON_VARIABLE} the Python to build it on.

examples:
  python -m triton_local_server --setup-only --backend onnxruntime --backend fil
  python -m triton_local_server --model-repository models --load-model iris
  python -m triton_local_server --model-repository models --model-control-mode none --http-port 8000
"""


class _Interrupted(BaseException):
    """Ctrl-C, or a request to terminate."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    options = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if options.setup_only:
            environment = ensure_environment(progress=_report)
            for backend in options.backend:
                environment.install(backend, _report)
            sys.stdout.write(f"{environment.root}\n")
        else:
            _serve(options)
    except _Interrupted:
        return 0
    except LocalTritonError as error:
        _report(f"error: {error}")
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m triton_local_server",
        description="Runs a real Triton on this machine, without Docker or a GPU, until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--model-repository",
        metavar="DIR",
        help="a directory, or s3://…, gs://… as Triton takes it",
    )
    what.add_argument(
        "--setup-only",
        action="store_true",
        help="build the environment, print where it is, and exit",
    )
    for service in ("http", "grpc", "metrics"):
        parser.add_argument(
            f"--{service}-port", type=int, metavar="PORT", help="default: a free port"
        )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--model-control-mode",
        choices=MODEL_CONTROL_MODES,
        default="explicit",
        help="load models on request, all at the start, or as they change (%(default)s)",
    )
    parser.add_argument(
        "--load-model",
        action="append",
        default=[],
        metavar="NAME",
        help="load this model at the start, '*' for all (repeatable; mode explicit only)",
    )
    parser.add_argument(
        "--disable-auto-complete-config",
        action="store_true",
        help="require a complete config.pbtxt of each model",
    )
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        choices=own_backends(),
        help="install what this backend needs now, not when the first model needs it (repeatable): "
        f"{', '.join(own_backends())}",
    )
    parser.add_argument("--log-file", metavar="FILE", help="append the server's log to FILE")
    parser.add_argument(
        "--start-timeout", type=float, default=60.0, metavar="SECONDS", help="(%(default)s)"
    )
    parser.add_argument(
        "--exit-timeout", type=float, default=10.0, metavar="SECONDS", help="(%(default)s)"
    )
    parser.add_argument(
        "--extra-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="pass ARG to tritonserver (repeatable; write --extra-arg=--log-verbose=1)",
    )
    return parser.parse_args(arguments)


def _serve(options: argparse.Namespace) -> None:
    triton = LocalTriton(
        options.model_repository,
        http_port=options.http_port,
        grpc_port=options.grpc_port,
        metrics_port=options.metrics_port,
        host=options.host,
        model_control_mode=options.model_control_mode,
        load_models=options.load_model,
        disable_auto_complete=options.disable_auto_complete_config,
        extra_args=options.extra_arg,
        backends=options.backend,
        log_file=options.log_file,
        start_timeout=options.start_timeout,
        exit_timeout=options.exit_timeout,
        progress=_report,
    )
    with triton:
        sys.stdout.write(
            f"HTTP     {triton.url}\n"
            f"gRPC     grpc://{triton.grpc_url}\n"
            f"Metrics  {triton.metrics_url}\n"
            f"Log      {triton.log_path}\n"
            "Serving until Ctrl-C.\n"
        )
        sys.stdout.flush()
        status = triton.wait() or 0
        raise ServerDiedError(
            f"The local Triton server ended by itself with status {status}. "
            "The last lines of its log:",
            returncode=status,
            log_tail=triton.log_tail(),
        )


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # A second Ctrl-C must not cut the clean-up short; what remains has its own deadline.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _Interrupted


if __name__ == "__main__":
    sys.exit(main())
