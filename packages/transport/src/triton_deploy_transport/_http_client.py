"""HTTP/1.1 over pooled connections, for several threads, every exchange under one deadline.

No redirect is followed and no proxy of the environment is used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_transport._deadline_socket import DeadlineSocket
from triton_deploy_transport._http_reply import Reply, read_reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from triton_deploy_transport._server_url import ServerUrl

_SMALL_BYTES = 1 << 16
_LARGE_BYTES = 1 << 20
_MAX_IDLE = 8


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


class PendingReply:
    """The answer to a request that was sent. One of its methods is called, once."""

    __slots__ = ("_idle", "_limit", "_method", "_sock")

    def __init__(
        self, sock: DeadlineSocket, method: str, limit: int, idle: deque[DeadlineSocket]
    ) -> None:
        self._sock = sock
        self._method = method
        self._limit = limit
        self._idle = idle

    def reply(self) -> Reply:
        """Return the whole answer. Raises what `read_reply` raises."""
        keep = False
        try:
            reply, keep = read_reply(self._sock, self._method, limit=self._limit)
            return reply
        finally:
            if keep and len(self._idle) < _MAX_IDLE:
                self._idle.append(self._sock)
            else:
                self._sock.close()

    def abandon(self) -> None:
        """Close the connection: the server need not answer any more."""
        self._sock.close()


class HttpClient:
    """Exchanges requests for replies with one server. Raises what `read_reply` raises.

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
        self._authority = url.authority
        self._tls = tls
        self._headers = headers
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._max_reply_bytes = max_reply_bytes
        self._idle: deque[DeadlineSocket] = deque()

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
                return self._sent(kept, request, deadline).reply()
            except ConnectionError:
                # The server may close an idle connection just now: a new one decides.
                if not request.repeatable:
                    raise
        return self._sent(self._open(deadline), request, deadline).reply()

    def begin(self, request: Request, *, timeout: float) -> PendingReply:
        """Send a request that is not repeated. The answer has to be there after `timeout` seconds.

        Raises:
            OSError: the connection failed; `TimeoutError` where time ran out.
        """
        deadline = Deadline.after(timeout, SystemClock())
        return self._sent(self._kept() or self._open(deadline), request, deadline)

    def close(self) -> None:
        """Close the connections that nobody uses just now."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> DeadlineSocket | None:
        while self._idle:
            try:
                sock = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if sock.is_quiet():
                return sock
            sock.close()
        return None

    def _open(self, deadline: Deadline) -> DeadlineSocket:
        limit = min(self._connect_timeout, deadline.remaining())
        try:
            sock = DeadlineSocket.connect(
                self._url, self._tls, Deadline.after(limit, deadline.clock)
            )
        except TimeoutError as error:
            raise ConnectTimeoutError(f"{limit:g} s") from error
        sock.keep_alive(self._keepalive)
        return sock

    def _sent(self, sock: DeadlineSocket, request: Request, deadline: Deadline) -> PendingReply:
        sock.deadline = deadline
        try:
            self._send(sock, request)
        except BaseException:
            sock.close()
            raise
        return PendingReply(sock, request.method, self._max_reply_bytes, self._idle)

    def _send(self, sock: DeadlineSocket, request: Request) -> None:
        size = sum(len(piece) for piece in request.body)
        head = self._head(request, size)
        if size <= _SMALL_BYTES:
            sock.sendall(b"".join((head, *request.body)))
            return
        sock.sendall(head)
        try:
            for piece in request.body:
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses a large body answers before it has read all of it.
            if size <= _LARGE_BYTES:
                raise

    def _head(self, request: Request, size: int) -> bytes:
        headers = {"Host": self._authority, "Accept-Encoding": "identity", **request.headers}
        if self._url.authorization:
            headers["authorization"] = self._url.authorization
        headers |= self._headers()
        if request.method == "POST":
            headers["Content-Length"] = str(size)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        path = self._url.prefix + request.path
        return f"{request.method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
