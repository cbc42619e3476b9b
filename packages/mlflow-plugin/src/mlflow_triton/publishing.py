"""From a checked directory to a version in MLflow's registry: all of it, or nothing registered."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_triton import flavor
from mlflow_triton.first_line import first_line
from mlflow_triton.quiet_libraries import be_quiet
from mlflow_triton.source_errors import library_errors
from triton_deploy_core.errors import DeployError

if TYPE_CHECKING:
    from mlflow_triton.publish_request import PublishRequest
    from triton_deploy_core.ports.progress import Progress

_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


class PublishError(DeployError):
    """The model could not be published."""


@dataclass(frozen=True, slots=True)
class Published:
    """A new version in the registry.

    Attributes:
        version: the registry's version number.
        run_id: the run that logged it.
        logged_uri: the model as MLflow logged it: ``models:/m-…``, or ``runs:/…`` under MLflow 2.
    """

    version: int
    run_id: str
    logged_uri: str


def publish(request: PublishRequest, progress: Progress) -> Published:
    """Log a directory to a new run and register it.

    Raises:
        PublishError: something failed. Nothing was registered; the run, where there is one, is
            marked as failed.
    """
    _be_quiet()
    run_id = ""
    try:
        _connect(request)
        with mlflow.start_run(
            experiment_id=_experiment_id(request.experiment),
            run_name=request.run_name,
            tags=dict(request.tags),
        ) as run:
            run_id = run.info.run_id
            logged = flavor.log_model(request.model_directory, check=False, progress=progress)
            progress.step(f"registering {request.model_name}")
            version = _register(request, logged.model_uri)
            return Published(version, run_id, logged.model_uri)
    except BaseException as error:
        # Artifact stores raise errors of libraries that are imported when they are used.
        if not isinstance(error, (*library_errors(), DeployError)):
            raise
        raise _not_published(error, run_id) from error


def _not_published(error: BaseException, run_id: str) -> PublishError:
    state = (
        f"run {run_id} is marked FAILED and nothing was registered"
        if run_id
        else "nothing was published"
    )
    reason = first_line(error)
    return PublishError(f"MLflow could not publish the model: {reason} ({state}).")


def _be_quiet() -> None:
    """What MLflow tells of its own work is not what this command tells."""
    be_quiet()
    # MLflow's own seven tries take four minutes to say that a server is not there.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")


def _connect(request: PublishRequest) -> None:
    if request.tracking_uri:
        mlflow.set_tracking_uri(request.tracking_uri)
    if request.registry_uri:
        mlflow.set_registry_uri(request.registry_uri)


def _experiment_id(name: str | None) -> str | None:
    """The experiment's id; it is made if there is none. None leaves it to MLflow."""
    if not name:
        return None
    client = MlflowClient()
    experiment = client.get_experiment_by_name(name)
    return str(experiment.experiment_id if experiment else client.create_experiment(name))


def _register(request: PublishRequest, model_uri: str) -> int:
    client = MlflowClient()
    with _new_name(client, request.model_name), redirect_stderr(io.StringIO()):
        version = mlflow.register_model(model_uri, request.model_name, tags=dict(request.tags))
        number = str(version.version)
        try:
            if request.description is not None:
                client.update_model_version(request.model_name, number, request.description)
            for alias in request.aliases:
                client.set_registered_model_alias(request.model_name, alias, number)
        except BaseException:
            with suppress(MlflowException):
                client.delete_model_version(request.model_name, number)
            raise
        return int(number)


@contextmanager
def _new_name(client: MlflowClient, name: str) -> Iterator[None]:
    """Make a name in the registry; take it back if what follows fails and it was not there."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != _ALREADY_EXISTS:
            raise
        yield
        return
    try:
        yield
    except BaseException:
        with suppress(MlflowException):
            client.delete_registered_model(name)
        raise
