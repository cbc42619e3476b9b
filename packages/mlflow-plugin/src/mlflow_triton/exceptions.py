"""The one exception that the plugin raises: MLflow's to Python callers, click's to the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from mlflow_triton.descriptions import sentence
from triton_deploy_core import errors


class TritonDeploymentError(MlflowException, click.ClickException):  # type: ignore[misc]  # `message` is Final in click
    """What could not be done, and why.

    An `MlflowException` with MLflow's error code; and a `click.ClickException`, so that the
    command line prints one line and not a traceback. ``__cause__`` is the core's own error.
    """

    def __init__(self, error: errors.DeployError) -> None:
        MlflowException.__init__(self, sentence(str(error)), error_code=code_of(error))

    def __str__(self) -> str:
        return str(self.message)


_CODES: tuple[tuple[type[errors.DeployError], int], ...] = (
    (errors.DeploymentNotFoundError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.NoPreviousVersionError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.ModelSourceError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.RepositoryNotFoundError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.BlobNotFoundError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.ModelNotServedError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.DeploymentExistsError, codes.RESOURCE_ALREADY_EXISTS),
    (errors.NotOursError, codes.RESOURCE_CONFLICT),
    (errors.DeploymentBusyError, codes.RESOURCE_CONFLICT),
    (errors.PreconditionFailedError, codes.RESOURCE_CONFLICT),
    (errors.StoreAccessError, codes.PERMISSION_DENIED),
    (errors.InvalidRequestError, codes.INVALID_PARAMETER_VALUE),
    (errors.RequestRefusedError, codes.INVALID_PARAMETER_VALUE),
    (errors.LoadFailedError, codes.INVALID_STATE),
    (errors.ControlModeError, codes.INVALID_STATE),
    (errors.NotTritonError, codes.INVALID_STATE),
    (errors.ServerUnreachableError, codes.TEMPORARILY_UNAVAILABLE),
    (errors.StoreUnavailableError, codes.TEMPORARILY_UNAVAILABLE),
    (errors.ServerTimeoutError, codes.TEMPORARILY_UNAVAILABLE),
    (errors.NotSettledError, codes.TEMPORARILY_UNAVAILABLE),
)


def code_of(error: errors.DeployError) -> int:
    """Return MLflow's code for an error."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return int(codes.INTERNAL_ERROR)


@contextmanager
def as_mlflow_errors() -> Iterator[None]:
    """Turn the core's errors into MLflow's.

    Raises:
        TritonDeploymentError: for every `DeployError`.
    """
    try:
        yield
    except errors.DeployError as error:
        raise TritonDeploymentError(error) from error
