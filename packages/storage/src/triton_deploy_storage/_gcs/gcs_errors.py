"""Errors of the library and of the service, as the store's own, each with what to do about it.

The library's own words stay out of the messages: they quote URLs and answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests import exceptions as requests_exceptions
from urllib3.exceptions import HTTPError

from triton_deploy_core.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.shown import shown

_NO_BUCKET = "bucket does not exist"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMEOUT, _TOO_MANY = 401, 403, 404, 408, 429
_CONFLICTS = frozenset({409, 412})
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_RATES = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_NO_ADDRESS = (
    requests_exceptions.InvalidSchema,
    requests_exceptions.MissingSchema,
    requests_exceptions.InvalidURL,
)
_UNREACHABLE = (
    *(requests_exceptions.RequestException, HTTPError, HTTPException),
    *(ConnectionError, TransportError, DataCorruption),
)
_LOGIN = (
    "set GOOGLE_APPLICATION_CREDENTIALS or run 'gcloud auth application-default login', and see "
    "that the clock is right"
)
LIBRARY_ERRORS = (GoogleAPIError, GoogleAuthError, InvalidResponse, *_UNREACHABLE)
"""The bases of all that the library raises."""


@contextmanager
def gcs_errors(bucket: str, action: str, what: str) -> Iterator[None]:
    """Raise a `StoreError` for what the library raises within the context.

    Args:
        bucket: where it was done.
        action: the verb for the message.
        what: what it was done to.
    """
    where = f"cannot {action} {shown(what)} in bucket {bucket}"
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise _mapped(error, bucket, where) from error


def status_of(error: BaseException) -> int:
    """Return the HTTP status that an error of the library is about; 0 where it is none."""
    if isinstance(error, GoogleAPICallError):
        return int(error.code or 0)
    response = getattr(error, "response", None)
    return int(getattr(response, "status_code", None) or 0)


def is_no_bucket(error: BaseException) -> bool:
    """Tell whether an error says that the bucket is missing, and not an object in it."""
    return status_of(error) == _NOT_FOUND and _NO_BUCKET in str(error)


def _mapped(error: BaseException, bucket: str, where: str) -> StoreError:
    if isinstance(error, RetryError):
        cause = error.cause
        if isinstance(cause, LIBRARY_ERRORS):
            return _mapped(cause, bucket, where)
        return _unreachable(error, where)
    status = status_of(error)
    if status >= _CLIENT_ERROR:
        return _refusal(error, status, bucket, where)
    if isinstance(error, _NO_ADDRESS):
        return StoreAccessError(
            f"{where}: the service's address is none; write STORAGE_EMULATOR_HOST as "
            "http://host:port, or unset it"
        )
    # A success that the library does not understand is an answer that broke off.
    if isinstance(error, _UNREACHABLE) or status:
        return _unreachable(error, where)
    kind = type(error).__name__
    return StoreAccessError(f"{where}: {kind}; {_LOGIN}")


def _unreachable(error: BaseException, where: str) -> StoreError:
    kind = type(error).__name__
    return StoreUnavailableError(
        f"{where}: the service can't be reached or breaks off ({kind}); check the network and "
        "STORAGE_EMULATOR_HOST, then try again"
    )


def _refusal(error: BaseException, status: int, bucket: str, where: str) -> StoreError:
    if is_no_bucket(error):
        return RepositoryNotFoundError(
            f"there is no bucket {bucket}: create it, or correct TRITON_MODEL_REPO"
        )
    if status == _NOT_FOUND:
        return BlobNotFoundError(
            f"{where}: there is no such file; try again, or repair the deployment"
        )
    if status in _CONFLICTS:
        return PreconditionFailedError(
            f"{where}: somebody else changed it at the same time; try again"
        )
    reason = _reason(error)
    answer = f"the service answers {status}{f' ({reason})' if reason else ''}"
    if status >= _SERVER_ERROR or status in {_TIMEOUT, _TOO_MANY} or reason in _RATES:
        return StoreUnavailableError(f"{where}: {answer}; try again later")
    return StoreAccessError(f"{where}: {answer}; {_remedy(status)}")


def _reason(error: BaseException) -> str:
    """Return the service's own code for what is wrong, a word, where it gives one."""
    details = getattr(error, "errors", None) or [{}]
    reason = str(details[0].get("reason", "")) if isinstance(details[0], dict) else ""
    return reason if reason.isalnum() else ""


def _remedy(status: int) -> str:
    if status == _UNAUTHORIZED:
        return _LOGIN
    if status == _FORBIDDEN:
        return "give these credentials the role Storage Object User (roles/storage.objectUser)"
    return "check TRITON_MODEL_REPO and the object's name"
