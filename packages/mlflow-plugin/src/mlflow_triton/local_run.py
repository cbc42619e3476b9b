"""``mlflow deployments run-local``: a real Triton on this machine until somebody stops it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from mlflow_triton import bootstrap
from mlflow_triton.deploying import create, update
from mlflow_triton.local_announcement import announcement
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.settings import Settings
from mlflow_triton.showing_progress import shown_progress
from mlflow_triton.stopping import stopped_by_signals
from triton_deploy_core.errors import (
    DeployError,
    InvalidSettingError,
    RepositoryNotFoundError,
    ServerError,
)
from triton_deploy_core.ports.progress import Progress
from triton_local_server import LocalTriton, LocalTritonError
from triton_local_server import errors as local

_POLL_SECONDS = 0.2


def serve_locally(name: str, model_uri: str, flavor: str | None, settings: Settings) -> None:
    """Start a Triton, deploy a model there, say how to reach it, and serve until Ctrl-C.

    The repository is a temporary one unless the settings name one.

    Raises:
        DeployError: the server can't be started here, or the model can't be deployed.
    """
    with ExitStack() as stack:
        stack.enter_context(stopped_by_signals())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlflow-triton-")))
        repository = _repository(settings, scratch)
        with shown_progress() as progress:
            triton = stack.enter_context(_triton(repository, settings, progress))
            own = {"triton_url": triton.http_url, "triton_model_repo": repository}
            here = replace(settings, values={**settings.values, **own}, local_server=True)
            served = bootstrap.deployment_service(here, progress=progress)
            service = stack.enter_context(served)
            server = stack.enter_context(closing(bootstrap.server(here)))
            # A repository that the user named may hold the deployment from the last time.
            deploy = update if service.has(name) else create
            deploy(service, name, model_uri, flavor, here)
        _serve(triton, announcement(triton, ModelSignature.ask(server, name), scratch))


def _serve(triton: LocalTriton, text: str) -> None:
    try:
        # In here already: whoever reads that it serves may stop it at once.
        sys.stdout.write(text)
        sys.stdout.flush()
        while triton.is_running:
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        sys.stdout.write("\nStopping the local Triton.\n")
        return
    last = (triton.log_tail(1) or ["its log is empty"])[-1]
    raise ServerError(f"The local Triton died (last line of its log: {last}). Start it again.")


def _repository(settings: Settings, scratch: Path) -> str:
    location = settings.values.get("triton_model_repo")
    if location is None:
        directory = scratch / "models"
        directory.mkdir()
        return str(directory)
    bootstrap.store(settings)  # refuses what can't be deployed to, before a server is started
    return str(location).removeprefix("file://")


@contextmanager
def _triton(repository: str, settings: Settings, progress: Progress) -> Iterator[LocalTriton]:
    ports = {
        key: settings.values[key]
        for key in ("http_port", "grpc_port", "metrics_port")
        if key in settings.values
    }
    progress.step("starting Triton")
    try:
        with LocalTriton(repository, progress=progress.step, **ports) as triton:
            yield triton
    except LocalTritonError as error:
        raise _as_ours(error) from error


def _as_ours(error: LocalTritonError) -> DeployError:
    first, *log = str(error).splitlines() or [type(error).__name__]
    message = " ".join([first, *(line.strip() for line in log[-1:])])
    if isinstance(error, local.RepositoryNotFoundError):
        return RepositoryNotFoundError(message)
    if isinstance(error, local.InvalidOptionError | local.PortInUseError):
        return InvalidSettingError(message)
    return ServerError(message)
