"""One quick question to an MLflow server, before MLflow's own patience begins."""

from __future__ import annotations

from http import HTTPStatus

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from requests import RequestException

from mlflow_triton.source_errors import unreachable

_GATEWAY_HAS_NOTHING_BEHIND_IT = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


def check_reachable(uri: str, server: str, *, timeout: float) -> None:
    """Find out whether an MLflow server answers anything at all, without a retry.

    MLflow's own requests retry a refused connection for about four minutes. Servers that are not
    spoken to over HTTP (databases, files, Databricks) are not asked.

    Args:
        uri: the model that is looked for, for the message.
        server: tracking or registry URI.
        timeout: seconds to wait for the connection, and for the answer.

    Raises:
        ModelSourceError: refused, unresolvable, silent, or a gateway with no server behind it.
    """
    if not server.lower().startswith(("http://", "https://")):
        return
    try:
        response = http_request(
            get_default_host_creds(server),
            "/health",
            "GET",
            max_retries=0,
            timeout=timeout,
            raise_on_status=False,
        )
    except (MlflowException, RequestException) as error:
        raise unreachable(uri, server, _cause(error)) from error
    if response.status_code in _GATEWAY_HAS_NOTHING_BEHIND_IT:
        raise unreachable(uri, server, f"HTTP status {response.status_code}")


def _cause(error: BaseException) -> str:
    text = str(error)
    for sign, cause in (
        ("refused", "connection refused"),
        ("resolve", "its host name can't be resolved"),
        ("timed out", "it did not answer in time"),
        ("CERTIFICATE", "its certificate is not trusted (MLFLOW_TRACKING_SERVER_CERT_PATH)"),
        ("unreachable", "no route to it"),
    ):
        if sign in text:
            return cause
    return "the connection failed"
