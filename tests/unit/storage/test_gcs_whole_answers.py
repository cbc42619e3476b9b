"""Answers of which the head breaks off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from triton_deploy_storage._gcs.whole_answers import WholeAnswers

HEAD = b"HTTP/1.1 308 Resume Incomplete\r\nContent-Length: 0\r\nRange: bytes=0-4194303\r\n\r\n"


class Cutting:
    """A server that gives connection after connection one byte more of an answer."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        for length in range(len(HEAD) + 1):
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(1 << 16)
                client.sendall(HEAD[:length])


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = Cutting()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server.endpoint
    server.listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.listener.close()


def test_a_head_is_whole_or_an_error_of_the_connection(endpoint):
    with requests.Session() as session:
        session.mount("http://", WholeAnswers())
        for _ in HEAD:
            with pytest.raises(requests.ConnectionError):
                session.get(endpoint, timeout=10)
        assert session.get(endpoint, timeout=10).headers["Range"] == "bytes=0-4194303"
