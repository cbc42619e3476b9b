"""The proxy that cuts a connection, before a server that echoes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from triton_deploy_transport.testing_cut import CuttableProxy


@pytest.fixture
def echo() -> Iterator[str]:
    def answer() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while piece := client.recv(100):
                    client.sendall(piece)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=answer)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def connected(proxy: CuttableProxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_nothing_passes_a_cut_and_nothing_gets_lost(echo):
    with CuttableProxy(echo) as proxy, connected(proxy) as client:
        client.sendall(b"one")
        assert client.recv(100) == b"one"
        proxy.cut()
        client.sendall(b"two")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxy.mend()
        client.settimeout(10)
        assert client.recv(100) == b"two"


def test_an_end_is_passed_on_too(echo):
    with CuttableProxy(echo) as proxy, connected(proxy) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_it_ends_its_connections_also_while_they_are_cut(echo):
    with CuttableProxy(echo) as proxy:
        proxy.cut()
        client = connected(proxy)
    # One that was not accepted yet is reset, which is an end too.
    with client, suppress(ConnectionResetError):
        assert client.recv(100) == b""
