"""The one place where errors of sockets, TLS and `http.client` become errors of this project.

::

    ConnectTimeoutError                   ServerUnreachableError
    any other TimeoutError                ServerTimeoutError
    ssl.SSLError                          ServerUnreachableError
    OSError (refused, no route,
      name that can't be resolved, …)     ServerUnreachableError
    a connection that broke off later,
      RemoteDisconnected, IncompleteRead  AnswerLostError
    any other HTTPException               NotTritonError
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from triton_deploy_core.errors import (
    AnswerLostError,
    NotTritonError,
    ServerError,
    ServerUnreachableError,
)
from triton_deploy_transport._http_client import ConnectTimeoutError
from triton_deploy_transport._http_reply import OversizedReplyError
from triton_deploy_transport._unreachable import no_answer, no_connection, refused, unresolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@contextmanager
def mapped_errors(url: str, *, timeout: float) -> Iterator[None]:
    """Turn every error of the libraries below into one of ours, with the server's URL in it."""
    try:
        yield
    except ConnectTimeoutError as error:
        message = (
            f"no connection to Triton at {url} within {error}: correct the URL (its host, its "
            "port, and whether it is http:// or https://), or see whether a firewall is between"
        )
        raise ServerUnreachableError(message) from error
    except TimeoutError as error:
        raise no_answer(url, timeout) from error
    except (OSError, http.client.HTTPException) as error:
        raise _counterpart(error, url) from error


def _counterpart(error: OSError | http.client.HTTPException, url: str) -> ServerError:
    for kind, explain in _EXPLANATIONS.items():
        if isinstance(error, kind):
            return explain(error, url)
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
        return no_connection(url, why)
    return NotTritonError(
        f"what answers at {url} does not speak HTTP as Triton does ({type(error).__name__}): "
        "give Triton's HTTP port (8000 unless set otherwise), or write grpc:// for the gRPC port"
    )


_UNWELCOME = re.compile(r"CERTIFICATE_REQUIRED|ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE")


def _untrusted(error: Exception, url: str) -> ServerError:
    why = getattr(error, "verify_message", "") or "verification failed"
    return ServerUnreachableError(
        f"the certificate of {url} is not trusted: {why}. "
        "Name the authority's certificate in tls_ca (or SSL_CERT_FILE), or correct the URL's host"
    )


def _no_tls(error: Exception, url: str) -> ServerError:
    why = getattr(error, "reason", "") or type(error).__name__
    if _UNWELCOME.search(why):
        return ServerUnreachableError(
            f"no TLS with {url}: the server wants a client certificate that it trusts. "
            "Name one in tls_cert, and its key in tls_key"
        )
    return ServerUnreachableError(
        f"no TLS with {url}: {why}. Where the server speaks plain HTTP, write http:// instead"
    )


def _broken_off(_error: Exception, url: str) -> ServerError:
    return AnswerLostError(
        f"{url} closed the connection before its answer was complete: "
        "see the server's log, or correct the URL if that is not Triton's HTTP port"
    )


def _oversized(error: Exception, url: str) -> ServerError:
    return NotTritonError(f"{url} sent too large an answer ({error}): see whether that is Triton")


# The first that fits holds: special before general.
_EXPLANATIONS: Mapping[type[Exception], Callable[[Exception, str], ServerError]] = {
    ConnectionRefusedError: lambda _, url: refused(url),
    socket.gaierror: lambda _, url: unresolved(url),
    ssl.SSLCertVerificationError: _untrusted,
    ssl.SSLEOFError: _broken_off,
    ssl.SSLZeroReturnError: _broken_off,
    ssl.SSLError: _no_tls,
    ConnectionError: _broken_off,
    http.client.IncompleteRead: _broken_off,
    OversizedReplyError: _oversized,
}
