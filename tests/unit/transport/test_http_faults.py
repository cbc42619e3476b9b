"""What a server or the network does wrong, as the caller of `HttpServer` sees it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.errors import (
    AnswerLostError,
    LoadTimeoutError,
    NotTritonError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: dict[str, Callable[[Any], object]] = {
    "is_live": lambda server: server.is_live(),
    "is_ready": lambda server: server.is_ready(),
    "index": lambda server: server.index(),
    "load": lambda server: server.load("m", timeout=0.25),
    "unload": lambda server: server.unload("m", timeout=0.25),
    "ready_versions": lambda server: server.ready_versions("m"),
    "loaded": lambda server: server.loaded(),
    "metadata": lambda server: server.metadata("m"),
    "config": lambda server: server.config("m"),
    "infer": lambda server: server.infer("m", {"X": np.zeros(2, np.float32)}, timeout=0.25),
    "statistics": lambda server: server.statistics("m"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def one_line(error: BaseException, *parts: str) -> bool:
    text = str(error)
    return text.isprintable() and all(part in text for part in parts)


@every_call
def test_nothing_listens(connected: Any, call: Any) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServerUnreachableError) as caught:
            call(connected(f"http://user:secret@{address}"))
    assert one_line(caught.value, address, "refused")
    assert "secret" not in str(caught.value)


def test_a_name_that_nobody_has(connected: Any) -> None:
    with pytest.raises(ServerUnreachableError, match="can't be resolved"):
        connected("nobody.invalid:8000").is_live()


@every_call
def test_a_server_that_hangs(raw_server: Any, connected: Any, call: Any) -> None:
    server: Any = raw_server(lambda _: server.closing.wait(20))
    with pytest.raises(ServerTimeoutError) as caught:
        call(connected(server, request_timeout=0.25))
    assert one_line(caught.value, server.address, "0.25 s")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
@every_call
def test_a_server_that_trickles(raw_server: Any, connected: Any, call: Any, said: bytes) -> None:
    """Each byte comes long before a socket's time-out: only the time in all runs out."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(said)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000:
            if server.closing.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    server: Any = raw_server(trickle)
    with pytest.raises(ServerTimeoutError):
        call(connected(server, request_timeout=0.25))


def test_a_load_that_outlives_its_deadline_is_told_apart(raw_server: Any, connected: Any) -> None:
    server: Any = raw_server(lambda _: server.closing.wait(20))
    with pytest.raises(LoadTimeoutError) as caught:
        connected(server).load("iris", timeout=0.25)
    assert one_line(caught.value, "'iris'", "0.25 s", server.address)


def test_a_server_that_reads_nothing_ends_an_upload_in_time(
    raw_server: Any, connected: Any
) -> None:
    server: Any = raw_server(lambda _: server.closing.wait(20))
    with pytest.raises(ServerTimeoutError):
        connected(server).infer("m", {"X": np.zeros(40_000_000, np.uint8)}, timeout=0.25)


@every_call
def test_a_server_that_hangs_up(
    raw_server: Any, connected: Any, request_reader: Any, call: Any
) -> None:
    server: Any = raw_server(request_reader)
    with pytest.raises(AnswerLostError, match="closed the connection"):
        call(connected(server))


@every_call
def test_a_connection_reset_in_the_middle_of_an_answer(
    raw_server: Any, connected: Any, request_reader: Any, call: Any
) -> None:
    def reset(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with pytest.raises(AnswerLostError):
        call(connected(raw_server(reset)))


@every_call
def test_an_answer_that_ends_too_early(
    raw_server: Any, connected: Any, request_reader: Any, call: Any
) -> None:
    def cut(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")

    with pytest.raises(AnswerLostError, match="before its answer was complete"):
        call(connected(raw_server(cut)))


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",  # HTTP/2, as gRPC's
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["ssh", "grpc", "status", "headers", "long-header"],
)
@every_call
def test_something_that_does_not_speak_http(
    raw_server: Any, connected: Any, request_reader: Any, call: Any, said: bytes
) -> None:
    def speak(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(said)

    server: Any = raw_server(speak)
    with pytest.raises(NotTritonError) as caught:
        call(connected(server))
    assert one_line(caught.value, server.address)


PAGE = b"<!DOCTYPE html><html><body>It works!</body></html>"


@pytest.mark.parametrize("status", [200, 400, 404, 500, 502, 503])
@every_call
def test_a_web_page(saying: Any, call: Any, status: int) -> None:
    with pytest.raises(NotTritonError) as caught:
        call(saying(status, PAGE, kind="text/html"))
    assert one_line(caught.value, "web page", str(status))


@pytest.mark.parametrize("body", [b'{"name": "tri', b"[1, 2", b"\xff\xfe", b"nonsense"])
@every_call
def test_json_that_is_cut_or_none(saying: Any, call: Any, body: bytes) -> None:
    with pytest.raises(NotTritonError):
        call(saying(200, body))


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"null", b'{"detail": "Not Found"}'])
@pytest.mark.parametrize(
    "call",
    [
        call
        for name, call in CALLS.items()
        if not name.startswith(("is_", "load", "unload", "config"))
    ],
)
def test_json_that_means_something_else(saying: Any, call: Any, body: bytes) -> None:
    with pytest.raises(NotTritonError):
        call(saying(200, body))


@every_call
def test_a_redirection_is_not_followed(
    raw_server: Any, connected: Any, request_reader: Any, call: Any
) -> None:
    def redirect(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")

    server: Any = raw_server(redirect)
    with pytest.raises(NotTritonError, match="redirection"):
        call(connected(server))
    assert server.connections == 1


def test_an_answer_larger_than_allowed(saying: Any, connected: Any) -> None:
    url = saying(200, b"[" + b" " * 100_000 + b"]").url
    with pytest.raises(NotTritonError, match="too large"):
        connected(url, max_reply_bytes=1000).index()


def test_tls_with_a_server_of_plain_http(raw_server: Any, connected: Any) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(ServerUnreachableError, match="write http://"):
        connected("https://" + raw_server(refuse).address).is_live()


def test_tls_that_is_never_answered(raw_server: Any, connected: Any) -> None:
    server: Any = raw_server(lambda _: server.closing.wait(20))
    with pytest.raises(ServerUnreachableError, match=r"0\.25 s.*http:// or https://"):
        connected("https://" + server.address, connect_timeout=0.25).load("m", timeout=20)


def test_an_idle_connection_that_the_server_closed_is_replaced(
    raw_server: Any, connected: Any, request_reader: Any, reply_bytes: Any
) -> None:
    def once(connection: socket.socket) -> None:
        request_reader(connection)
        connection.sendall(reply_bytes(200, b"[]"))

    server: Any = raw_server(once)
    http = connected(server)
    for _ in range(20):
        assert http.index() == ()
    assert server.connections == 20


def test_a_connection_is_used_again(
    raw_server: Any, connected: Any, request_reader: Any, reply_bytes: Any
) -> None:
    def serve(connection: socket.socket) -> None:
        while request_reader(connection):
            connection.sendall(reply_bytes(200, b"[]"))

    server: Any = raw_server(serve)
    http = connected(server)
    for _ in range(20):
        http.index()
    assert server.connections == 1


def test_many_threads_share_one_server(
    raw_server: Any, connected: Any, request_reader: Any, reply_bytes: Any
) -> None:
    def echo(connection: socket.socket) -> None:
        while request := request_reader(connection):
            name = request.split(b"/v2/models/", 1)[1].split(b"/", 1)[0]
            connection.sendall(reply_bytes(200, b'{"name": "' + name + b'"}'))

    http = connected(raw_server(echo))
    wrong: list[object] = []

    def ask(name: str) -> None:
        wrong.extend(
            answer for answer in (http.config(name) for _ in range(50)) if answer["name"] != name
        )

    threads = [threading.Thread(target=ask, args=(f"m{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_refusal_of_a_large_body_is_read(raw_server: Any, connected: Any) -> None:
    """A server that will not have so much answers, and hangs up before it has read all of it."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        body = b'{"error": "request exceeds the limit"}'
        connection.sendall(
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + 10
        while connection.recv(1 << 20) and time.monotonic() < deadline:
            pass

    with pytest.raises(RequestRefusedError, match="exceeds the limit"):
        connected(raw_server(refuse)).infer("m", {"X": np.zeros(1 << 24, np.uint8)}, timeout=20)
