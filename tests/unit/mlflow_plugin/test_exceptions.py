from __future__ import annotations

import pickle
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from mlflow_triton.exceptions import TritonDeploymentError, as_mlflow_errors
from triton_deploy_core import errors

CODES = {
    errors.DeployError: "INTERNAL_ERROR",
    errors.InvalidRequestError: "INVALID_PARAMETER_VALUE",
    errors.InvalidNameError: "INVALID_PARAMETER_VALUE",
    errors.InvalidPackageError: "INVALID_PARAMETER_VALUE",
    errors.InvalidInputError: "INVALID_PARAMETER_VALUE",
    errors.InvalidOptionsError: "INVALID_PARAMETER_VALUE",
    errors.InvalidSettingError: "INVALID_PARAMETER_VALUE",
    errors.DeploymentNotFoundError: "RESOURCE_DOES_NOT_EXIST",
    errors.NoPreviousVersionError: "RESOURCE_DOES_NOT_EXIST",
    errors.DeploymentExistsError: "RESOURCE_ALREADY_EXISTS",
    errors.NotOursError: "RESOURCE_CONFLICT",
    errors.DamagedRecordError: "RESOURCE_CONFLICT",
    errors.PartOfEnsembleError: "RESOURCE_CONFLICT",
    errors.DeploymentBusyError: "RESOURCE_CONFLICT",
    errors.LeaseLostError: "RESOURCE_CONFLICT",
    errors.ModelSourceError: "RESOURCE_DOES_NOT_EXIST",
    errors.StoreError: "INTERNAL_ERROR",
    errors.RepositoryNotFoundError: "RESOURCE_DOES_NOT_EXIST",
    errors.StoreAccessError: "PERMISSION_DENIED",
    errors.StoreUnavailableError: "TEMPORARILY_UNAVAILABLE",
    errors.BlobNotFoundError: "RESOURCE_DOES_NOT_EXIST",
    errors.PreconditionFailedError: "RESOURCE_CONFLICT",
    errors.StaleWriterError: "RESOURCE_CONFLICT",
    errors.ServerError: "INTERNAL_ERROR",
    errors.ServerUnreachableError: "TEMPORARILY_UNAVAILABLE",
    errors.AnswerLostError: "TEMPORARILY_UNAVAILABLE",
    errors.ServerTimeoutError: "TEMPORARILY_UNAVAILABLE",
    errors.LoadTimeoutError: "TEMPORARILY_UNAVAILABLE",
    errors.NotSettledError: "TEMPORARILY_UNAVAILABLE",
    errors.NotTritonError: "INVALID_STATE",
    errors.ControlModeError: "INVALID_STATE",
    errors.LoadFailedError: "INVALID_STATE",
    errors.ModelNotServedError: "RESOURCE_DOES_NOT_EXIST",
    errors.RequestRefusedError: "INVALID_PARAMETER_VALUE",
}
ARGUMENTS = {
    errors.InvalidOptionsError: {"problems": ("because",)},
    errors.DeploymentBusyError: {"holder": "somebody", "expires_at": 0.0},
    errors.LeaseLostError: {"holder": "somebody", "expires_at": 0.0},
    errors.LoadFailedError: {"reason": "because"},
    errors.RequestRefusedError: {"reason": "because"},
}


def tree(kind: type[errors.DeployError]) -> Iterator[type[errors.DeployError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def raised(
    message: str = "It failed.", kind: type[errors.DeployError] = errors.DeployError
) -> TritonDeploymentError:
    with pytest.raises(TritonDeploymentError) as caught, as_mlflow_errors():
        raise kind(message, **ARGUMENTS.get(kind, {}))
    return caught.value


def test_every_error_of_the_core_is_here():
    assert set(tree(errors.DeployError)) == set(CODES)


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=str)
def test_every_error_of_the_core_has_a_code(kind, code):
    error = raised(kind=kind)
    assert error.error_code == code
    assert isinstance(error.__cause__, kind)


def test_it_is_what_python_and_what_the_terminal_expect():
    error = raised()
    assert isinstance(error, MlflowException)
    assert isinstance(error, click.ClickException)
    assert str(error) == error.message == error.format_message() == "It failed."
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("It failed.", "It failed."),
        ("it failed", "It failed."),
        ("no connection to h:1: start it", "No connection to h:1: start it."),
        ("localhost:8000 is no server", "localhost:8000 is no server."),
        ("max_batch_size can't be had", "max_batch_size can't be had."),
        ("Does it run?", "Does it run?"),
        ("'x' failed:\n  at line 1\n\tbecause  of that", "'x' failed: at line 1 because of that."),
        ("a\x1b[31mred", "a\\x1b[31mred."),
    ],
)
def test_the_message_is_one_sentence_on_one_line(message, shown):
    assert str(raised(message)) == shown


def test_it_survives_pickling():
    error = raised(kind=errors.DeploymentNotFoundError)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is TritonDeploymentError
    assert str(copy) == str(error)
    assert copy.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_the_command_line_prints_one_line():
    @click.command()
    def command() -> None:
        with as_mlflow_errors():
            raise errors.StoreAccessError("cannot write to /models: read-only")

    result = CliRunner().invoke(command)
    assert result.exit_code == 1
    assert result.stderr == "Error: Cannot write to /models: read-only.\n"
    assert result.stdout == ""


def test_other_errors_are_left_alone():
    with pytest.raises(KeyError), as_mlflow_errors():
        raise KeyError
