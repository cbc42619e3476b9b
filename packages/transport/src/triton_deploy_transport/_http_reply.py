"""One whole answer of an HTTP/1.1 server.

What Triton sends, a head with a `Content-Length` and the body, is read here, with the body
straight into the memory that the tensors will have. Anything else (chunks, an end by closing,
interim answers, what is no HTTP) is left to `http.client`.
"""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from triton_deploy_transport._deadline_socket import DeadlineSocket

BINARY_HEADER = "Inference-Header-Content-Length"
_FIRST_BYTES = 1 << 16
_PIECE = 1 << 20
_ALIGNMENT = 64
_START = b"HTTP/1.1 "
_END_OF_HEAD = b"\r\n\r\n"
_WITHOUT_BODY = {204, 304}


class OversizedReplyError(http.client.HTTPException):
    """An answer is larger than anything that the caller wants to hold in memory."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: memoryview

    def header(self, name: str) -> str:
        """Return a header, whatever its case, or nothing."""
        return self.headers.get(name.lower(), "")

    def json(self) -> object:
        """Return the body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(bytes(self.body))


def read_reply(sock: DeadlineSocket, method: str, *, limit: int) -> tuple[Reply, bool]:
    """Read an answer; tell also whether the connection can be used again.

    Args:
        sock: where it comes from.
        method: of the request: an answer to HEAD has no body.
        limit: how many bytes the body may have.

    Raises:
        OSError: the connection failed; `TimeoutError` where time ran out.
        http.client.HTTPException: what came is no HTTP, ended too early or is too large.
    """
    start = sock.receive(_FIRST_BYTES)
    while _is_unfinished_head(start) and (piece := sock.receive(_FIRST_BYTES)):
        start += piece
    head, end, rest = start.partition(_END_OF_HEAD)
    plain = _plain_head(head) if end else None
    if plain is None:
        return _by_http_client(sock, method, start, limit)
    status, headers, size = plain
    if size > limit:
        raise OversizedReplyError(f"{size} bytes")
    tensors_at = headers.get(BINARY_HEADER.lower(), "0")
    body = _aligned(size, int(tensors_at) if tensors_at.isdigit() else 0)
    filled = min(len(rest), size)
    body[:filled] = rest[:filled]
    while filled < size:
        received = sock.receive_into(body[filled:])
        if not received:
            raise http.client.IncompleteRead(b"", size - filled)
        filled += received
    return Reply(status, headers, body), len(rest) <= size


def _is_unfinished_head(start: bytes) -> bool:
    could_be = start[: len(_START)] == _START[: len(start)] and 0 < len(start) < _FIRST_BYTES
    return could_be and _END_OF_HEAD not in start and b"\n\n" not in start


# A server's answers to one kind of request have few different heads.
@lru_cache(maxsize=64)
def _plain_head(head: bytes) -> tuple[int, Mapping[str, str], int] | None:
    """Return status, headers and size of the body, or None where there is more to it."""
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first[len(_START) : len(_START) + 3]
    if not (head.startswith(_START) and status.isdigit() and int(status) >= 200):  # noqa: PLR2004
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name.split() != [name] or name in headers:
            return None
        headers[name] = value.strip()
    size = headers.get("content-length", "")
    if int(status) in _WITHOUT_BODY or not (size.isascii() and size.isdigit()):
        return None
    if "transfer-encoding" in headers or "connection" in headers:
        return None
    return int(status), MappingProxyType(headers), int(size)


def _aligned(size: int, tensors_at: int) -> memoryview:
    """Return memory of which the tensors' part begins where any data type may begin."""
    memory = np.empty(size + _ALIGNMENT, dtype=np.uint8)
    address: int = memory.__array_interface__["data"][0]
    shift = -(address + tensors_at) % _ALIGNMENT
    return memory.data[shift : shift + size]


def _by_http_client(
    sock: DeadlineSocket, method: str, start: bytes, limit: int
) -> tuple[Reply, bool]:
    with http.client.HTTPResponse(_Replayed(sock, start), method=method) as response:  # type: ignore[arg-type]
        response.begin()
        reply = Reply(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=_whole_body(response, limit),
        )
        return reply, not response.will_close


def _whole_body(response: http.client.HTTPResponse, limit: int) -> memoryview:
    body = bytearray()
    # `length` is what the server announced, None where it sends chunks.
    announced = response.length or 0
    if announced > limit:
        raise OversizedReplyError(f"{announced} bytes")
    while piece := response.read(min(_PIECE, limit + 1 - len(body))):
        body += piece
        if len(body) > limit:
            raise OversizedReplyError(f"more than {limit} bytes")
    if len(body) < announced:
        raise http.client.IncompleteRead(b"", announced - len(body))
    return memoryview(body)


class _Replayed(io.RawIOBase):
    """What has been received, then what still comes: as much of a socket as is read from."""

    def __init__(self, sock: DeadlineSocket, start: bytes) -> None:
        self._sock = sock
        self._start = memoryview(start)
        self._ended = not start

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        if self._ended:
            return 0
        if not self._start:
            return self._sock.receive_into(buffer)
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._start))
        view[:size] = self._start[:size]
        self._start = self._start[size:]
        return size
