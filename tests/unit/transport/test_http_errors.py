"""Every error class of the libraries below has a counterpart of ours."""

from __future__ import annotations

import builtins
import http.client
import socket
import ssl

import pytest

from triton_deploy_core.errors import (
    AnswerLostError,
    NotTritonError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_transport._http_client import ConnectTimeoutError
from triton_deploy_transport._http_errors import mapped_errors
from triton_deploy_transport._http_reply import OversizedReplyError

ARGUMENTS = {http.client.IncompleteRead: (b"", 3), http.client.UnknownProtocol: ("HTTP/9",)}


def all_classes() -> list[type[Exception]]:
    found: set[type[Exception]] = {ConnectTimeoutError, OversizedReplyError}
    for module in (builtins, http.client, socket, ssl):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, (OSError, http.client.HTTPException)):
                found.add(value)
    return sorted(found, key=lambda kind: kind.__name__)


def expected(kind: type[Exception]) -> type[ServerError]:
    if issubclass(kind, TimeoutError) and kind is not ConnectTimeoutError:
        return ServerTimeoutError
    later = (http.client.IncompleteRead, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    if issubclass(kind, (*later, ConnectionError)) and kind is not ConnectionRefusedError:
        return AnswerLostError
    if issubclass(kind, OSError):
        return ServerUnreachableError
    return NotTritonError


@pytest.mark.parametrize("kind", all_classes())
def test_each_has_its_counterpart(kind: type[Exception]) -> None:
    with (
        pytest.raises(ServerError) as caught,
        mapped_errors("triton.example:8000", timeout=3),
    ):
        raise kind(*ARGUMENTS.get(kind, ("two\nlines",)))
    assert type(caught.value) is expected(kind)
    assert "triton.example:8000" in str(caught.value)
    assert isinstance(caught.value.__cause__, kind)


def test_the_list_is_not_empty() -> None:
    assert len(all_classes()) > 30


@pytest.mark.parametrize("kind", [ValueError, KeyError, AttributeError])
def test_mistakes_of_ours_are_not_hidden(kind: type[Exception]) -> None:
    with pytest.raises(kind), mapped_errors("triton.example:8000", timeout=3):
        raise kind
