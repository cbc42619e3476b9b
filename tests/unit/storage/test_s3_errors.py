"""Every error of boto3 and of the service is one of ours, and tells no secret."""

from __future__ import annotations

import inspect

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from triton_deploy_core.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_storage._s3.s3_errors import s3_errors


def mapped(error: Exception) -> StoreError:
    with pytest.raises(StoreError) as raised, s3_errors("models", "write", "iris/f\n"):
        raise error
    assert "\n" not in str(raised.value)
    assert "models" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("NoSuchBucket", 404, RepositoryNotFoundError, "create it"),
        ("NoSuchKey", 404, BlobNotFoundError, "no such file"),
        ("404", 404, BlobNotFoundError, "no such file"),
        ("AccessDenied", 403, StoreAccessError, "s3:PutObject"),
        ("403", 403, StoreAccessError, "s3:PutObject"),
        ("ExpiredToken", 400, StoreAccessError, "renew"),
        ("InvalidAccessKeyId", 403, StoreAccessError, "renew"),
        ("SignatureDoesNotMatch", 403, StoreAccessError, "renew"),
        ("PermanentRedirect", 301, StoreAccessError, "region"),
        ("KeyTooLongError", 400, StoreAccessError, "shorter"),
        ("SomethingNew", 400, StoreAccessError, "SomethingNew"),
        ("NotImplemented", 501, StoreAccessError, "conditional"),
        ("PreconditionFailed", 412, PreconditionFailedError, "somebody else"),
        ("ConditionalRequestConflict", 409, PreconditionFailedError, "somebody else"),
        ("SlowDown", 503, StoreUnavailableError, "again"),
        ("InternalError", 500, StoreUnavailableError, "again"),
        ("RequestTimeout", 400, StoreUnavailableError, "again"),
        ("", 502, StoreUnavailableError, "again"),
        ("SomethingNew", 429, StoreUnavailableError, "again"),
    ],
)
def test_what_the_service_answers(code, status, kind, words):
    answer = {
        "Error": {"Code": code, "Message": "the key hunter2"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = mapped(ClientError(answer, "PutObject"))
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.NoCredentialsError(), StoreAccessError),
        (exceptions.ProfileNotFound(profile="hunter2"), StoreAccessError),
        (exceptions.SSOTokenLoadError(error_msg="hunter2"), StoreAccessError),
        (exceptions.EndpointConnectionError(endpoint_url="x"), StoreUnavailableError),
        (exceptions.ConnectTimeoutError(endpoint_url="x"), StoreUnavailableError),
        (exceptions.ReadTimeoutError(endpoint_url="x"), StoreUnavailableError),
        (exceptions.ConnectionClosedError(endpoint_url="x"), StoreUnavailableError),
        (exceptions.SSLError(endpoint_url="x", error="y"), StoreUnavailableError),
        (ResponseParserError("no XML"), StoreUnavailableError),
    ],
)
def test_what_the_library_raises_itself(error, kind):
    assert type(mapped(error)) is kind


def test_no_error_of_the_library_gets_through():
    kinds = [
        kind
        for _, kind in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(kind, BotoCoreError)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        # Without its arguments, since each kind wants others.
        mapped(kind.__new__(kind))
