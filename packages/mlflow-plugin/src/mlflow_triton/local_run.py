"""``mlflow deployments run-local``: a real Triton on this machine until somebody stops it."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType

from mlflow_triton import bootstrap
from mlflow_triton.deploying import create, update
from mlflow_triton.settings import Settings
from triton_deploy_core.errors import InvalidSettingError, ServerError
from triton_deploy_core.ports.server import InferenceServer, ModelMetadata
from triton_local_server import LocalTriton, LocalTritonError

_POLL_SECONDS = 0.2


def serve_locally(name: str, model_uri: str, flavor: str | None, settings: Settings) -> None:
    """Start a Triton, deploy a model there, say how to reach it, and serve until Ctrl-C.

    The repository is a temporary one unless the settings name one.

    Raises:
        DeployError: the server can't be started here, or the model can't be deployed.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(_signals())
        repository = _repository(settings, stack)
        triton = stack.enter_context(_triton(repository, settings))
        local = Settings(
            {
                **settings.values,
                "triton_url": triton.http_url,
                "triton_model_repo": str(repository),
            }
        )
        service = stack.enter_context(bootstrap.deployment_service(local))
        server = stack.enter_context(closing(bootstrap.server(local)))
        # A repository that the user named may hold the deployment from the last time.
        deploy = update if service.has(name) else create
        deploy(service, name, model_uri, flavor, settings.package_options)
        sys.stdout.write(_announcement(triton, server, name))
        sys.stdout.flush()
        while not stop.wait(_POLL_SECONDS):
            if not triton.is_running:
                last = (triton.log_tail(1) or ["its log is empty"])[-1]
                raise ServerError(f"The local Triton died (last line of its log: {last}).")
        sys.stdout.write("\nStopping the local Triton.\n")


def _repository(settings: Settings, stack: ExitStack) -> Path:
    location = settings.values.get("triton_model_repo")
    if location is not None:
        return Path(str(location).removeprefix("file://"))
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlflow-triton-")))


@contextmanager
def _triton(repository: Path, settings: Settings) -> Iterator[LocalTriton]:
    ports = {
        key: settings.values[key]
        for key in ("http_port", "grpc_port", "metrics_port")
        if key in settings.values
    }
    try:
        with LocalTriton(repository, progress=_say, **ports) as triton:
            yield triton
    except LocalTritonError as error:
        raise InvalidSettingError(str(error)) from error


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C and by SIGTERM, for as long as the context lasts."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announcement(triton: LocalTriton, server: InferenceServer, name: str) -> str:
    body = json.dumps({"inputs": _example(server.metadata(name))})
    return (
        f"'{name}' is served by the local Triton. Press Ctrl-C to stop.\n"
        f"  HTTP:    http://{triton.http_url}\n"
        f"  gRPC:    {triton.grpc_url}\n"
        f"  metrics: {triton.metrics_url}\n"
        "Try it:\n"
        f"  curl -s http://{triton.http_url}/v2/models/{name}/infer -d '{body}'\n"
    )


def _example(metadata: ModelMetadata) -> list[dict[str, object]]:
    """Inputs of the protocol's JSON form that the model takes, one in each free dimension."""
    return [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": [max(1, size) for size in spec.shape],
            "data": [_VALUES.get(spec.datatype, 1)] * _elements(spec.shape),
        }
        for spec in metadata.inputs
    ]


_VALUES: dict[str, object] = {"BYTES": "text", "BOOL": True, "FP16": 1.0, "FP32": 1.0, "FP64": 1.0}


def _elements(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= max(1, size)
    return product
