"""HTTP/1.1 over pooled connections, for several threads, every exchange under one deadline.

No redirect is followed and no proxy of the environment is used.
"""

from __future__ import annotations

import http.client
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_transport._deadline_socket import DeadlineSocket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from triton_deploy_transport._server_url import ServerUrl

_PIECE = 1 << 20
_MAX_IDLE = 8


class OversizedReplyError(http.client.HTTPException):
    """An answer is larger than anything that the caller wants to hold in memory."""


class ConnectTimeoutError(TimeoutError):
    """No connection could be made in time: the argument is the time that there was, in seconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` begins with ``/`` and is quoted; `body` is sent piece by piece.

    `repeatable` says that it does no harm to send it twice.
    """

    method: str
    path: str
    body: Sequence[bytes | memoryview] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

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


class HttpClient:
    """Exchanges requests for replies with one server. Raises what `http.client` raises.

    `headers` is asked for each request; its names are in lower case.
    """

    def __init__(
        self,
        url: ServerUrl,
        *,
        tls: ssl.SSLContext | None,
        headers: Callable[[], Mapping[str, str]],
        connect_timeout: float,
        keepalive: float,
        max_reply_bytes: int,
    ) -> None:
        self._url = url
        self._tls = tls
        self._headers = headers
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._max_reply_bytes = max_reply_bytes
        self._idle: deque[tuple[http.client.HTTPConnection, DeadlineSocket]] = deque()

    def exchange(self, request: Request, *, timeout: float) -> Reply:
        """Send a request and return the whole answer, all within `timeout` seconds.

        Raises:
            OSError: the connection failed; `TimeoutError` where time ran out.
            http.client.HTTPException: what came back is no HTTP, or ended too early.
        """
        deadline = Deadline.after(timeout, SystemClock())
        kept = self._kept()
        if kept is not None:
            try:
                return self._exchange(*kept, request, deadline)
            except ConnectionError:
                # The server may close an idle connection just now: a new one decides.
                if not request.repeatable:
                    raise
        return self._exchange(*self._open(deadline), request, deadline)

    def close(self) -> None:
        """Close the connections that nobody uses just now."""
        while self._idle:
            self._idle.pop()[0].close()

    def _kept(self) -> tuple[http.client.HTTPConnection, DeadlineSocket] | None:
        while self._idle:
            try:
                connection, sock = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if sock.is_quiet():
                return connection, sock
            connection.close()
        return None

    def _open(self, deadline: Deadline) -> tuple[http.client.HTTPConnection, DeadlineSocket]:
        limit = min(self._connect_timeout, deadline.remaining())
        try:
            sock = DeadlineSocket.connect(
                self._url.host, self._url.port, self._tls, Deadline.after(limit, deadline.clock)
            )
            sock.keep_alive(self._keepalive)
        except TimeoutError as error:
            raise ConnectTimeoutError(f"{limit:g} s") from error
        connection = http.client.HTTPConnection(self._url.host, self._url.port)
        connection.default_port = self._url.default_port
        connection.auto_open = 0
        connection.sock = sock  # as much of a socket as it uses
        return connection, sock

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        sock: DeadlineSocket,
        request: Request,
        deadline: Deadline,
    ) -> Reply:
        sock.deadline = deadline
        keep = False
        try:
            self._send(connection, request)
            with connection.getresponse() as response:
                reply = Reply(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.getheaders()},
                    body=self._body(response),
                )
                keep = not response.will_close and len(self._idle) < _MAX_IDLE
            return reply
        finally:
            if keep:
                self._idle.append((connection, sock))
            else:
                connection.close()

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> None:
        headers = {"Accept-Encoding": "identity", **request.headers}
        if self._url.authorization:
            headers["authorization"] = self._url.authorization
        headers |= self._headers()
        if request.method == "POST":
            headers["Content-Length"] = str(sum(len(piece) for piece in request.body))
        connection.putrequest(
            request.method, self._url.prefix + request.path, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            for piece in request.body:
                connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses a large body answers before it has read all of it.
            if sum(len(piece) for piece in request.body) <= _PIECE:
                raise

    def _body(self, response: http.client.HTTPResponse) -> memoryview:
        body = bytearray()
        # `length` is what the server announced, None where it sends chunks.
        limit, announced = self._max_reply_bytes, response.length or 0
        if announced > limit:
            raise OversizedReplyError(f"{announced} bytes")
        while piece := response.read(min(_PIECE, limit + 1 - len(body))):
            body += piece
            if len(body) > limit:
                raise OversizedReplyError(f"more than {limit} bytes")
        if len(body) < announced:
            raise http.client.IncompleteRead(b"", announced - len(body))
        return memoryview(body)
