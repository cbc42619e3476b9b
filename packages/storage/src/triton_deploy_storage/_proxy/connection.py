"""One client's connection, and the one to the service that belongs to it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from triton_deploy_storage._proxy.faults import Answer, Break, Delay, Fault, Request
from triton_deploy_storage._proxy.messages import Body, BrokenMessageError, Head

_CONDITIONS = ("If-Match", "If-None-Match", "If-Generation-Match")
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came of it. `sent` and `received` are bytes of bodies.

    `status` is the service's, 0 if it was not asked or did not answer.
    """

    request: Request
    status: int
    sent: int
    received: int
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Passing:
    """What a connection asks the proxy for; `wait` tells whether the proxy closes."""

    target: tuple[str, int]
    fault_of: Callable[[Request], Fault | None]
    left_out: Callable[[], Iterable[str]]
    wait: Callable[[float], bool]
    keep: Callable[[Exchange], None]


class Connection:
    """Hands requests on, one after another, until somebody closes the connection."""

    def __init__(self, client: socket.socket, passing: Passing) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._passing = passing
        self._service: socket.socket | None = None
        self._answers: BinaryIO | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Serve it to its end."""
        try:
            with self._client.makefile("rb") as requests:
                while (head := Head.read(requests)) and self._pass(head, requests):
                    pass
        except (OSError, ValueError, BrokenMessageError):
            # Whoever is left at one end of a broken connection sees it broken at his end too.
            self._reset()
        finally:
            with self._lock:
                for end in (self._client, self._answers, self._service):
                    if end is not None:
                        end.close()

    def end(self) -> None:
        """Wake it from whatever it waits for, so that it comes to its end."""
        with self._lock:
            for end in (self._client, self._service):
                if end is not None:
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def _pass(self, head: Head, requests: BinaryIO) -> bool:
        request = _request_of(head)
        fault = self._passing.fault_of(request)
        if head.get("Expect"):
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._passing.wait(fault.seconds if isinstance(fault, Delay) else 0):
            return self._reset()
        body = Body.of_request(head)
        if isinstance(fault, Answer) or fault is Break.BEFORE:
            sent = body.copy(requests, len)
            self._passing.keep(Exchange(request, 0, sent, 0, fault))
            return self._instead(fault)
        service, answers = self._connected()
        service.sendall(head.without("Expect", *self._passing.left_out()).encode())
        sent = body.copy(requests, service.sendall)
        answer = Head.read(answers)
        if answer is None:
            self._passing.keep(Exchange(request, 0, sent, 0, fault))
            return self._reset()
        return self._hand_back(answer, answers, request, sent, fault)

    def _hand_back(
        self, answer: Head, answers: BinaryIO, request: Request, sent: int, fault: Fault | None
    ) -> bool:
        body = Body.of_answer(answer, request.method)
        if not isinstance(fault, Break):
            # Kept before the client has the last byte, so that it finds its own requests here.
            pieces = _Held(self._client.sendall)
            pieces.send(answer.encode())
            received = body.copy(answers, pieces.send)
            self._passing.keep(Exchange(request, answer.status, sent, received, fault))
            pieces.flush()
            return not answer.closes
        whole = bytearray()
        received = body.copy(answers, whole.extend)
        self._passing.keep(Exchange(request, answer.status, sent, received, fault))
        if fault is Break.AFTER:
            return self._reset()
        head = answer.encode()
        in_head = fault is Break.WITHIN_HEAD
        self._client.sendall(head[: len(head) // 2] if in_head else head + whole[: len(whole) // 2])
        return False

    def _instead(self, fault: Answer | Break) -> bool:
        if not isinstance(fault, Answer):
            return self._reset()
        start = f"HTTP/1.1 {fault.status} {fault.reason}\r\nContent-Type: {fault.content_type}\r\n"
        self._client.sendall(
            start.encode() + b"Content-Length: %d\r\n\r\n" % len(fault.body) + fault.body
        )
        return True

    def _connected(self) -> tuple[socket.socket, BinaryIO]:
        if self._service is None or self._answers is None:
            service = socket.create_connection(self._passing.target)
            service.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._service, self._answers = service, service.makefile("rb")
        return self._service, self._answers

    def _reset(self) -> bool:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        return False


class _Held:
    """Sends pieces, each when the next one comes."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._held = b""

    def send(self, piece: bytes) -> None:
        self.flush()
        self._held = piece

    def flush(self) -> None:
        self._send(self._held)


def _request_of(head: Head) -> Request:
    method, target, _ = head.start.decode("latin-1").split(" ", 2)
    path, _, query = target.partition("?")
    conditional = "ifGenerationMatch" in query or any(head.get(name) for name in _CONDITIONS)
    return Request(method, path, query, conditional)
