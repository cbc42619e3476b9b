"""Answers after which the server closes the connection, as HTTP/1.0 servers and proxies do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from triton_deploy_core.errors import RequestRefusedError

if TYPE_CHECKING:
    import socket

BODY = b'[{"name": "iris", "version": "1", "state": "READY"}]'


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY),
    ],
)
@pytest.mark.parametrize("pause", [0, 0.05], ids=["at once", "in pieces"])
def test_the_whole_answer_is_read(
    raw_server: Any, connected: Any, request_reader: Any, head: bytes, pause: float
) -> None:
    def behave(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(head)
        time.sleep(pause)
        connection.sendall(BODY)

    server = raw_server(behave)
    client = connected(server)
    for _ in range(2):
        assert [entry.name for entry in client.index()] == ["iris"]
    assert server.connections == 2


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_that_knows_no_load_requests(saying: Any, status: int) -> None:
    # Triton's metrics port answers so.
    with pytest.raises(RequestRefusedError, match="give the URL of Triton's HTTP port"):
        saying(status, b'{"error": "Method Not Allowed"}').unload("m", timeout=1)
