"""Errors of boto3 and of the service, as the store's own, each with what to do about it.

The library's own words stay out of the messages: some quote keys and requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
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

_MISSING_KEY = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_CONFLICTS = frozenset(
    {"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "409", "412"}
)
_OVERLOADED = frozenset(
    {
        *("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"),
        *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
        *("BandwidthLimitExceeded", "NoSuchUpload", "BadDigest", "IncompleteBody"),
    }
)
_CREDENTIALS = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"),
    }
)
_WRONG_REGION = frozenset(
    {
        *("PermanentRedirect", "301", "AuthorizationHeaderMalformed"),
        *("IllegalLocationConstraintException",),
    }
)
_UNREACHABLE = (
    *(exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError),
    *(exceptions.ChecksumError, exceptions.FlexibleChecksumError, ResponseParserError, HTTPError),
)
_SERVER_ERROR = 500
_TOO_MANY = 429
_FORBIDDEN = 403


@contextmanager
def s3_errors(bucket: str, action: str, what: str) -> Iterator[None]:
    """Raise a `StoreError` for what boto3 raises within the context.

    Args:
        bucket: where it was done.
        action: the verb for the message.
        what: what it was done to.
    """
    where = f"cannot {action} {shown(what)} in bucket {bucket}"
    try:
        yield
    except ClientError as error:
        raise refusal(error_code(error), _status(error), bucket, where) from error
    except (BotoCoreError, ResponseParserError, HTTPError) as error:
        raise _local_error(error, where) from error


def error_code(error: ClientError) -> str:
    """Return the service's code for an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_conflict(error: ClientError) -> bool:
    """Tell whether the service refused a write since its condition does not hold."""
    return error_code(error) in _CONFLICTS


def refusal(code: str, status: int, bucket: str, where: str) -> StoreError:
    """Return the error for a code and an HTTP status of the service."""
    if code == "NoSuchBucket":
        return RepositoryNotFoundError(
            f"there is no bucket {bucket}: create it, or correct TRITON_MODEL_REPO"
        )
    if code in _MISSING_KEY:
        return BlobNotFoundError(
            f"{where}: there is no such file; try again, or repair the deployment"
        )
    if code in _CONFLICTS:
        return PreconditionFailedError(
            f"{where}: somebody else changed it at the same time; try again"
        )
    if code == "NotImplemented":
        return StoreAccessError(
            f"{where}: the service does not support it; use one with conditional writes"
        )
    if code in _OVERLOADED or status >= _SERVER_ERROR or status == _TOO_MANY:
        return StoreUnavailableError(f"{where}: the service answers {code}; try again later")
    return StoreAccessError(
        f"{where}: the service answers {code or status}; {_remedy(code, status)}"
    )


def _remedy(code: str, status: int) -> str:
    if code in _CREDENTIALS:
        return "renew the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, aws sso login) and the clock"
    if code in _WRONG_REGION:
        return "set AWS_DEFAULT_REGION to the bucket's region"
    if code == "KeyTooLongError":
        return "choose a shorter name"
    if status == _FORBIDDEN:
        return "give these credentials s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject"
    return "check TRITON_MODEL_REPO and the service's settings"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _local_error(error: Exception, where: str) -> StoreError:
    kind = type(error).__name__
    if isinstance(error, _UNREACHABLE):
        return StoreUnavailableError(
            f"{where}: the service can't be reached ({kind}); check its address, then try again"
        )
    return StoreAccessError(
        f"{where}: {kind}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
