"""The one place where settings become adapters."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, nullcontext

from mlflow_triton.logs import logged_as_wanted
from mlflow_triton.settings import Settings
from mlflow_triton.showing_progress import shown_progress
from triton_deploy_core.ports.model_server import ModelServer
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.ports.source import ModelSource
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.service import DeploymentService
from triton_deploy_transport import connect, connect_for_requests, without_secrets


def server(settings: Settings) -> InferenceServer:
    """Return the server that the settings name, or the fleet that there is now."""
    _keep_grpc_quiet()
    return connect(
        settings.triton_url,
        request_timeout=settings.request_timeout,
        access=settings.access,
        keepalive=settings.keepalive,
        nameserver=settings.nameserver,
        rollout=settings.rollout,
    )


def shown_server(settings: Settings) -> str:
    """Return the URL of the server, or of the fleet, without any secret."""
    return without_secrets(settings.triton_url)


def model_server(settings: Settings) -> ModelServer:
    """Return what answers predictions, from the servers that the settings name now and later."""
    _keep_grpc_quiet()
    return connect_for_requests(
        settings.triton_url,
        request_timeout=settings.request_timeout,
        access=settings.access,
        keepalive=settings.keepalive,
        nameserver=settings.nameserver,
        shared_memory=settings.shared_memory,
    )


def store(settings: Settings) -> BlobStore:
    """Return the model repository that the settings name."""
    from triton_deploy_storage import open_store  # noqa: PLC0415 (predict needs none)

    return open_store(settings.triton_model_repo, s3=settings.s3)


@contextmanager
def deployment_service(
    settings: Settings, *, progress: Progress | None = None, server_names: Collection[str] = ()
) -> Iterator[DeploymentService]:
    """The service for the repository and the server that the settings name.

    Args:
        settings: of the call.
        progress: what suits the terminal or the log if left out.
        server_names: what else the server is called, beside its URL.
    """
    _keep_grpc_quiet()
    from triton_deploy_transport.pbtxt import PbtxtFormat  # noqa: PLC0415 (predict needs none)

    repository = store(settings)
    shown = shown_progress() if progress is None else nullcontext(progress)
    with logged_as_wanted(), closing(server(settings)) as connection, shown as told:
        yield DeploymentService(
            repository,
            _called(connection, server_names),
            PbtxtFormat(),
            progress=told,
            timeout=settings.timeout,
        )


def _called(server: InferenceServer, names: Collection[str]) -> InferenceServer:
    if not names:
        return server
    from triton_deploy_core.fleet.fleet import Fleet  # noqa: PLC0415 (one server needs none)
    from triton_deploy_core.fleet.member import Member  # noqa: PLC0415 (likewise)

    return Fleet([Member(server, frozenset(names))])


def model_source(settings: Settings) -> ModelSource:
    """Return MLflow's models, of the tracking and registry stores that MLflow is set to.

    Those in the service that holds the model repository are located there, not downloaded. Where
    no repository is set, there is no such service.
    """
    from mlflow_triton.source import MlflowSource  # noqa: PLC0415 (slow)
    from triton_deploy_storage import open_objects  # noqa: PLC0415 (predict needs none)

    location = settings.values.get("triton_model_repo")
    return MlflowSource(objects=None if location is None else open_objects(str(location)))


def _keep_grpc_quiet() -> None:
    """Keep lines of gRPC's own log from going before an error's one line, unless the user asks."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # read when gRPC is imported
