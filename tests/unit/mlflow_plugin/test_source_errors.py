from __future__ import annotations

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED

from mlflow_triton.source_errors import mapped_errors
from triton_deploy_core.errors import ModelSourceError

SERVER = "http://user:secret@host:5000"


def message_for(error: BaseException) -> str:
    with pytest.raises(ModelSourceError) as caught, mapped_errors("models:/iris/1", SERVER):
        raise error
    assert caught.value.__cause__ is error
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    assert "models:/iris/1" in message
    assert "http://host:5000" in message
    return message


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (
            RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}),
            "No such model, version or run",
        ),
        (
            MlflowException("Registered model alias a not found.", INVALID_PARAMETER_VALUE),
            "No such model, version or run",
        ),
        (MlflowException("no", PERMISSION_DENIED), "Not allowed to read"),
        (ModuleNotFoundError("No module named 'boto3'"), "Install it"),
        (requests.ConnectionError(f"to {SERVER}/api: reset"), "Can't get"),
        (MlflowException(f"first line\nto {SERVER}?token=secret"), "first line to http"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (MlflowException("registry; got unsupported URI 'sqlite:///x' for"), "pip install mlflow"),
        (MlflowException("x" * 5000), "x…"),
    ],
)
def test_one_line_without_secrets(error: BaseException, part: str) -> None:
    message = message_for(error)

    assert part in message
    assert len(message) < 1000


def test_libraries_that_may_be_missing() -> None:
    errors = pytest.importorskip("sqlalchemy.exc")

    assert "Can't get" in message_for(errors.OperationalError("SELECT", {}, Exception("down")))


@pytest.mark.parametrize("error", [ModelSourceError("ours"), KeyboardInterrupt(), AssertionError()])
def test_anything_else_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, mapped_errors("models:/iris/1", SERVER):
        raise error

    assert caught.value is error
