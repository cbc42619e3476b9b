"""The one place where gRPC's statuses become errors of this project.

gRPC gives what it meets itself (a refused connection, a web page) the same status codes as a server
gives its refusals, and nothing but the words tells them apart. The words are those of gRPC's C core
from 1.60 to 1.85; what none of them fits is the server's own.

::

    no connection, of any kind            ServerUnreachableError
    a connection that broke               AnswerLostError
    not HTTP/2, or HTTP/2 without gRPC    NotTritonError
    UNIMPLEMENTED in gRPC's own words     NotTritonError
    DEADLINE_EXCEEDED                     ServerTimeoutError
    UNAUTHENTICATED, PERMISSION_DENIED,
      RESOURCE_EXHAUSTED                  a Refusal, of who asked or how often
    anything else                         a Refusal, in the server's words
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

import grpc

from triton_deploy_core.errors import (
    AnswerLostError,
    NotTritonError,
    ServerError,
    ServerUnreachableError,
)
from triton_deploy_transport._one_line import one_line
from triton_deploy_transport._refusals import Cause, Refusal, no_permission
from triton_deploy_transport._unreachable import no_answer, no_connection, refused, unresolved

if TYPE_CHECKING:
    from collections.abc import Callable

_DENIED = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# Of Triton's --grpc-restricted-protocol, which comes as UNAVAILABLE.
_RESTRICTED = "protocol is restricted"
_HTTP_STATUS = re.compile(r"Received http2 header with status: (\d+)")
_HTTP_DENIED = {"401", "403", "407", "429"}


def explained(error: grpc.RpcError, *, url: str, timeout: float) -> ServerError | Refusal:
    """Return the error for a call that failed, or the server's refusal of it."""
    code, words = error.code(), error.details() or ""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return no_answer(url, timeout)
    status = _HTTP_STATUS.search(words)
    if status is not None:
        return _web_page(status[1], url)
    for pattern, explain in _EXPLANATIONS[code in _CONNECTION_CODES]:
        if pattern.search(words):
            return explain(words, url)
    if code is grpc.StatusCode.UNIMPLEMENTED and not words:
        return _unknown_method(words, url)
    denied = code in _DENIED or _RESTRICTED in words
    return Refusal(Cause.PERMISSION if denied else Cause.REQUEST, words or f"gRPC {code.name}")


def raise_explained(
    error: grpc.RpcError, refuse: Callable[[Refusal], NoReturn], *, url: str, timeout: float
) -> NoReturn:
    """Raise the error for a call that failed; `refuse` raises the one for a refusal.

    Raises:
        ServerError: always, or what `refuse` raises.
    """
    answer = explained(error, url=url, timeout=timeout)
    if isinstance(answer, ServerError):
        raise answer from error
    refuse(answer)


def lost_connection(error: grpc.RpcError) -> bool:
    """Tell whether a call failed for its connection, not for what the server said."""
    words = error.details() or ""
    return error.code() is grpc.StatusCode.UNAVAILABLE and any(
        pattern.search(words) for pattern, _ in _EXPLANATIONS[True]
    )


def unreadable(url: str) -> NotTritonError:
    """Return the error for an answer that Triton would not have sent."""
    return NotTritonError(
        f"{url} answered with something else than Triton's messages: {_GIVE_GRPC_PORT}"
    )


def incomplete(url: str) -> AnswerLostError:
    """Return the error for a stream of answers that ended before its last one."""
    return _broken_off("", url)


_GIVE_GRPC_PORT = (
    "give the server's gRPC port (8001 unless set otherwise), or write http:// for its HTTP port, "
    "grpcs:// for TLS"
)


def _web_page(status: str, url: str) -> ServerError:
    if status in _HTTP_DENIED:
        return no_permission(url, f"HTTP {status}")
    return NotTritonError(
        f"{url} answered with a web page (HTTP {status}): {_GIVE_GRPC_PORT}; a proxy may also "
        "answer like that when no server is behind it"
    )


def _not_grpc(_words: str, url: str) -> ServerError:
    return NotTritonError(f"what answers at {url} does not speak gRPC: {_GIVE_GRPC_PORT}")


def _hung_up(words: str, url: str) -> ServerError:
    if url.lower().startswith("grpcs:"):
        # With TLS 1.3 the server judges the client's certificate after the client's handshake.
        return _unwelcome(words, url)
    return NotTritonError(
        f"what listens at {url} closed the connection instead of speaking gRPC: {_GIVE_GRPC_PORT}; "
        "a proxy may also do that when no server is behind it"
    )


def _unknown_method(_words: str, url: str) -> ServerError:
    return NotTritonError(
        f"what answers at {url} speaks gRPC, but knows no such requests as Triton's: "
        "give the gRPC port of a Triton (8001 unless set otherwise)"
    )


def _untrusted(words: str, url: str) -> ServerError:
    found = re.search(r"CERTIFICATE_VERIFY_FAILED: ([\w '-]+)", words)
    why = found[1].strip() if found else "it is for another host"
    return ServerUnreachableError(
        f"the certificate of {url} is not trusted: {why}. Name the authority's certificate in "
        "tls_ca, or correct the URL's host"
    )


def _unwelcome(_words: str, url: str) -> ServerError:
    return ServerUnreachableError(
        f"{url} closed the connection after the handshake, as servers do that want a client "
        "certificate they trust: name one in tls_cert and its key in tls_key, or see the "
        "server's log"
    )


def _no_tls(words: str, url: str) -> ServerError:
    found = re.search(r"OPENSSL_internal:(\w+)", words)
    why = found[1] if found else "the handshake failed"
    return ServerUnreachableError(
        f"no TLS with {url}: {why}. Where the server speaks gRPC without TLS, write grpc:// instead"
    )


def _too_slow(_words: str, url: str) -> ServerError:
    return ServerUnreachableError(
        f"no connection to Triton at {url} in time: correct the URL (its host, its port, and "
        "whether it is grpc:// or grpcs://), or see whether a firewall is between"
    )


def _no_connection(words: str, url: str) -> ServerError:
    return no_connection(url, one_line(words.rpartition("last error: ")[2], limit=200))


def _broken_off(_words: str, url: str) -> AnswerLostError:
    return AnswerLostError(
        f"{url} closed the connection before its answer was complete: see the server's log, or "
        "correct the URL (its port, and whether it is grpc:// or grpcs://)"
    )


_CONNECTION_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
_ANY = (
    (r"method not found!|unknown (service|method) \S", _unknown_method),
    (r"^failed to (de)?serialize|deserializing response", lambda _, url: unreadable(url)),
)
_CONNECTION = (
    (r"failed to connect to all addresses.*connection refused", lambda _, url: refused(url)),
    (
        r"errors resolving|DNS resolution failed|address lookup failed",
        lambda _, url: unresolved(url),
    ),
    (r"http1\.x server|failed parsing HTTP/2|expected SETTINGS frame", _not_grpc),
    (r"Data frame with END_STREAM|missing selected ALPN", _not_grpc),
    (r"CERTIFICATE_VERIFY_FAILED|hostname verification|not in peer certificate", _untrusted),
    (r"CERTIFICATE_REQUIRED|alert_(unknown_ca|bad_certificate)", _unwelcome),
    (r"handshake failed|SSL_ERROR|SSL routines", _no_tls),
    (r"failed to connect.*(timed out|timeout|FD shutdown)", _too_slow),
    # What Triton's own HTTP port does.
    (r"failed to connect to all addresses.*socket closed", _hung_up),
    # Envoy says this of a connection that it could not make, and of one that broke.
    (
        r"upstream connect error.*reset reason: (?!((remote|local) )?connection failure|overflow)",
        _broken_off,
    ),
    (r"failed to connect to all addresses|no healthy upstream|upstream connect", _no_connection),
    (
        r"^(socket|transport|endpoint) clos|connection reset|broken pipe|recvmsg|sendmsg",
        _broken_off,
    ),
    (r"goaway|rst_stream|stream removed|cancelling all calls|^cancelled$", _broken_off),
    # By another thread, or at the end of this process: the server goes on with the request.
    (r"^channel closed", _broken_off),
    (r"keepalive|ping timeout|too_many_pings", _broken_off),
    (r"^(failed|error) parsing|invalid grpc|compressed flag|frame", _not_grpc),
)


def _compiled(
    *tables: tuple[tuple[str, Callable[[str, str], ServerError]], ...],
) -> list[tuple[re.Pattern[str], Callable[[str, str], ServerError]]]:
    return [
        (re.compile(words, re.IGNORECASE | re.DOTALL), explain)
        for table in tables
        for words, explain in table
    ]


# The first that fits holds: special before general.
_EXPLANATIONS = {False: _compiled(_ANY), True: _compiled(_CONNECTION, _ANY)}
