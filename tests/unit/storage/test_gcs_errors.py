"""Every error of the library and of the service is one of ours, and tells no secret."""

from __future__ import annotations

import inspect

import pytest
import requests
from google.api_core import exceptions as api_exceptions
from google.auth import exceptions as auth_exceptions
from google.cloud.storage import exceptions as storage_exceptions
from urllib3.exceptions import ProtocolError

from triton_deploy_core.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_storage._gcs.gcs_errors import gcs_errors


def mapped(error: Exception) -> StoreError:
    with pytest.raises(StoreError) as raised, gcs_errors("models", "write", "iris/f\n"):
        raise error
    assert "\n" not in str(raised.value)
    assert "models" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("status", "reason", "text", "kind", "words"),
    [
        (404, "", "The specified bucket does not exist.", RepositoryNotFoundError, "create it"),
        (404, "notFound", "No such object: models/iris/f", BlobNotFoundError, "no such file"),
        (412, "conditionNotMet", "", PreconditionFailedError, "somebody else"),
        (409, "conflict", "", PreconditionFailedError, "somebody else"),
        (401, "required", "Anonymous caller hunter2", StoreAccessError, "gcloud auth"),
        (403, "forbidden", "hunter2 may not", StoreAccessError, "objectUser"),
        (403, "rateLimitExceeded", "", StoreUnavailableError, "again"),
        (400, "invalid", "hunter2", StoreAccessError, "400 (invalid)"),
        (400, "in\nvalid hunter2", "", StoreAccessError, "400;"),
        (429, "rateLimitExceeded", "", StoreUnavailableError, "again"),
        (408, "", "", StoreUnavailableError, "again"),
        (500, "backendError", "", StoreUnavailableError, "again"),
        (503, "backendError", "", StoreUnavailableError, "again"),
    ],
)
def test_what_the_service_answers(status, reason, text, kind, words):
    errors = [{"reason": reason, "message": text}]
    refusal = api_exceptions.from_http_status(status, text, errors=errors)
    for error in (refusal, api_exceptions.RetryError("60 s", cause=refusal)):
        found = mapped(error)
        assert type(found) is kind
        assert words in str(found)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (auth_exceptions.DefaultCredentialsError("hunter2"), StoreAccessError),
        (auth_exceptions.RefreshError("invalid_grant: hunter2"), StoreAccessError),
        (auth_exceptions.TransportError("hunter2"), StoreUnavailableError),
        (requests.ConnectionError("hunter2"), StoreUnavailableError),
        (requests.Timeout("hunter2"), StoreUnavailableError),
        (requests.exceptions.InvalidSchema("hunter2"), StoreAccessError),
        (ConnectionResetError("hunter2"), StoreUnavailableError),
        (ProtocolError("hunter2"), StoreUnavailableError),
        (storage_exceptions.DataCorruption(None, "hunter2"), StoreUnavailableError),
        (api_exceptions.RetryError("hunter2", cause=TimeoutError()), StoreUnavailableError),
    ],
)
def test_what_the_library_raises_itself(error, kind):
    assert type(mapped(error)) is kind


def test_no_error_of_the_library_gets_through():
    kinds = {
        kind
        for module in (api_exceptions, auth_exceptions, requests.exceptions)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    }
    kinds -= {Exception, requests.exceptions.CompatJSONDecodeError}
    kinds -= {api_exceptions.AsyncRestUnsupportedParameterError, api_exceptions.RetryError}
    assert len(kinds) > 60
    for kind in kinds:
        if issubclass(kind, api_exceptions.GoogleAPICallError):
            mapped(kind("hunter2"))
        else:  # without its arguments, since each kind wants others
            mapped(kind.__new__(kind))
