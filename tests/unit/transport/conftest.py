"""Servers in this process that say just what a test gives them: bytes, or answers of gRPC."""

from __future__ import annotations

import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from triton_deploy_transport.grpc import GrpcServer
from triton_deploy_transport.http import HttpServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    Behaviour = Callable[[socket.socket], None]


def read_request(connection: socket.socket) -> bytes:
    """Read one request: its head and as much body as it announces."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    announced = [
        line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    size = int(announced[0].split(b":")[1]) if announced else 0
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http_reply(
    status: int, body: bytes = b"", *, kind: str = "application/json", more: str = ""
) -> bytes:
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


class RawServer:
    """Behaves on every connection as the test says and remembers the requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.closing = threading.Event()
        self.connections = 0
        raw = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                raw.connections += 1
                with suppress(OSError):  # the client has gone, as some tests want it to
                    behaviour(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def raw_server() -> Iterator[Callable[[Behaviour], RawServer]]:
    with ExitStack() as stack:

        def start(behaviour: Behaviour) -> RawServer:
            server = RawServer(behaviour)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def connected() -> Iterator[Callable[..., HttpServer]]:
    with ExitStack() as stack:

        def make(server: RawServer | str, **settings: Any) -> HttpServer:
            url = server if isinstance(server, str) else server.address
            http = HttpServer(url, **({"shared_memory": False} | settings))
            stack.callback(http.close)
            return http

        yield make


@pytest.fixture
def grpc_connected() -> Iterator[Callable[..., GrpcServer]]:
    with ExitStack() as stack:

        def make(server: RawServer | str, **settings: Any) -> GrpcServer:
            url = server if isinstance(server, str) else f"grpc://{server.address}"
            made = GrpcServer(url, **({"request_timeout": 10, "shared_memory": False} | settings))
            stack.callback(made.close)
            return made

        yield make


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, answer: Callable[[bytes, Any], bytes]) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, handler_call_details: Any) -> Any:
        return self._handler


@pytest.fixture
def answering(
    grpc_connected: Callable[..., GrpcServer],
) -> Iterator[Callable[..., GrpcServer]]:
    """Return a function: what answers each call → a `GrpcServer` connected to it."""
    with ExitStack() as stack:

        def make(
            answer: Callable[[bytes, Any], bytes] | None,
            credentials: grpc.ServerCredentials | None = None,
            **settings: Any,
        ) -> GrpcServer:
            pool = ThreadPoolExecutor(4)
            stack.callback(pool.shutdown)
            server = grpc.server(pool, handlers=[] if answer is None else [_AnyMethod(answer)])
            stack.callback(lambda: server.stop(None).wait())
            if credentials is None:
                url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            else:
                url = f"grpcs://localhost:{server.add_secure_port('localhost:0', credentials)}"
            server.start()
            return grpc_connected(url, **settings)

        yield make


@pytest.fixture
def saying(
    raw_server: Callable[[Behaviour], RawServer], connected: Callable[..., HttpServer]
) -> Callable[..., HttpServer]:
    """Return a function: a reply → an `HttpServer` that always gets it."""

    def make(status: int, body: bytes = b"", *, kind: str = "application/json") -> HttpServer:
        def behave(connection: socket.socket) -> None:
            while read_request(connection):
                connection.sendall(http_reply(status, body, kind=kind))

        return connected(raw_server(behave))

    return make


@pytest.fixture
def request_reader() -> Callable[[socket.socket], bytes]:
    return read_request


@pytest.fixture
def reply_bytes() -> Callable[..., bytes]:
    return http_reply
