"""Every error that MLflow and the libraries under it raise, as one line of ours."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException
from requests import RequestException

from mlflow_triton.source_uri import without_secrets
from triton_deploy_core.errors import ModelSourceError

# Stores raise errors of libraries that may not be installed; one that was never imported can't
# have raised anything.
_OPTIONAL_LIBRARIES = (
    ("sqlalchemy.exc", ("SQLAlchemyError",)),
    ("botocore.exceptions", ("BotoCoreError", "ClientError")),
    ("boto3.exceptions", ("Boto3Error",)),
    ("google.api_core.exceptions", ("GoogleAPIError",)),
    ("google.auth.exceptions", ("GoogleAuthError",)),
    ("azure.core.exceptions", ("AzureError",)),
    ("yaml", ("YAMLError",)),
)
_MAX_REASON = 300
# How MLflow says that it has no store for a database: the whole package registers them.
_LACKS_DATABASES = re.compile(r"unsupported URI '(sqlite|postgresql|mysql|mssql)")
_USERINFO = re.compile(r"://([^/?#@]+)@")

_MISSING = (
    "List what there is with mlflow.search_registered_models(), "
    "mlflow.search_model_versions() or mlflow.search_runs()."
)
_FORBIDDEN = (
    "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and "
    "what that user may read."
)
_UNREACHABLE = "Check that it runs, and MLFLOW_TRACKING_URI."
_OTHER = "Check the URI, MLFLOW_TRACKING_URI and the credentials of the artifact store."

_NOT_FOUND_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"})
_FORBIDDEN_CODES = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})


def library_errors() -> tuple[type[BaseException], ...]:
    """Return the classes of everything that MLflow is known to raise or let through."""
    found: list[type[BaseException]] = [MlflowException, RequestException, OSError, ImportError]
    for module_name, class_names in _OPTIONAL_LIBRARIES:
        module = sys.modules.get(module_name)
        found += [getattr(module, name) for name in class_names if hasattr(module, name)]
    # MLflow and requests check arguments with these: bad URIs, ids that are not text.
    return (*found, ValueError)


@contextmanager
def mapped_errors(uri: str, server: str) -> Iterator[None]:
    """Turn library errors inside the block into `ModelSourceError`.

    Args:
        uri: the model's URI as its user wrote it.
        server: the tracking server's URI. Both may hold secrets: the message won't.
    """
    try:
        yield
    except ModelSourceError:
        raise
    except BaseException as error:
        # The tuple is made when the error is there: a library may have been imported meanwhile.
        if not isinstance(error, library_errors()):
            raise
        raise model_error(uri, server, error) from error


def model_error(uri: str, server: str, error: BaseException) -> ModelSourceError:
    """Return the error that says in one line why the model can't be had."""
    shown, where = without_secrets(uri), without_secrets(server)
    reason = error_reason(error, uri, server)
    code = getattr(error, "error_code", None)
    if code in _NOT_FOUND_CODES or _is_missing_alias(error):
        if _is_default(server):
            return ModelSourceError(
                f"No such model, version or run: {shown} (tracking server {where}): {reason}. "
                "MLFLOW_TRACKING_URI is not set: set it to where the model was logged."
            )
        return ModelSourceError(
            f"No such model, version or run: {shown} (tracking server {where}): {reason}. "
            f"{_MISSING}"
        )
    if code in _FORBIDDEN_CODES:
        return ModelSourceError(
            f"Not allowed to read {shown} (tracking server {where}): {reason}. {_FORBIDDEN}"
        )
    if isinstance(error, ImportError):
        return ModelSourceError(
            f"Can't read {shown} (tracking server {where}) without a library that is not "
            f"installed: {reason}. Install it; 'pip install mlflow' has those for databases."
        )
    if _LACKS_DATABASES.search(str(error)):
        return ModelSourceError(
            f"Can't get {shown} (tracking server {where}): mlflow-skinny, which is what is "
            "installed here, reads no databases. Run 'pip install mlflow', or set "
            "MLFLOW_TRACKING_URI to an MLflow server."
        )
    return ModelSourceError(f"Can't get {shown} (tracking server {where}): {reason}. {_OTHER}")


def unreachable(uri: str, server: str, why: str) -> ModelSourceError:
    """Return the error for a tracking server or registry that does not answer."""
    return ModelSourceError(
        f"The MLflow server {without_secrets(server)} can't be reached, so {without_secrets(uri)} "
        f"can't be looked up: {why}. {_UNREACHABLE}"
    )


def _is_default(server: str) -> bool:
    return not mlflow.is_tracking_uri_set() and server == mlflow.get_tracking_uri()


def _is_missing_alias(error: BaseException) -> bool:
    # The SQL store says INVALID_PARAMETER_VALUE for an alias that does not exist.
    return (
        isinstance(error, MlflowException) and "alias" in str(error) and "not found" in str(error)
    )


def error_reason(error: BaseException, *uris: str) -> str:
    """Return what a library said, on one line, without secrets and of bounded length."""
    said = " ".join(str(error).split())
    for uri in uris:
        # Libraries quote parts of a URI, which do not look like one any more.
        for userinfo in _USERINFO.findall(uri):
            said = said.replace(f"{userinfo}@", "").replace(userinfo, "…")
    text = without_secrets(said) or type(error).__name__
    return (text if len(text) <= _MAX_REASON else text[:_MAX_REASON] + "…").rstrip(".")
