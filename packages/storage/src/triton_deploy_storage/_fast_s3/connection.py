"""HTTP/1.1 for the fast server: one thread, no copies that are not needed."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote

from triton_deploy_storage._fast_s3.service import Answer, Request, Service

_END_OF_HEAD = b"\r\n\r\n"
_BACKLOG = 1024


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 on one connection."""

    def __init__(self, service: Service, latency: float) -> None:
        self._service = service
        self._latency = latency
        self._received = bytearray()
        self._head: Request | None = None
        self._length = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is here whole."""
        self._received += data
        while (head := self._head or self._read_head()) and len(self._received) >= self._length:
            body = self._received[: self._length]
            del self._received[: self._length]
            self._head = None
            self._send(self._service.answer(replace(head, body=body)), head.method)

    def _read_head(self) -> Request | None:
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return None
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        del self._received[: end + len(_END_OF_HEAD)]
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path)[1:].partition("/")
        found = dict(parse_qsl(query, keep_blank_values=True))
        self._head = Request(method, bucket, key, found, headers)
        self._length = int(headers.get("content-length", 0))
        if headers.get("expect") == "100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._head

    def _send(self, answer: Answer, method: str) -> None:
        head = (
            f"HTTP/1.1 {answer.status}\r\nContent-Length: {len(answer.body)}\r\n"
            f"{answer.headers}Date: {formatdate(usegmt=True)}\r\n\r\n"
        )
        self._write(head.encode() + (b"" if method == "HEAD" else answer.body))

    def _write(self, data: bytes) -> None:
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, data)
        else:
            self._transport.write(data)


async def serve(latency: float, *, verify: bool) -> None:
    """Serve on a free port, whose number is printed, until standard input ends."""
    service = Service(verify=verify)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(service, latency), "127.0.0.1", 0, backlog=_BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  (a program's output)
    await loop.run_in_executor(None, sys.stdin.read)
