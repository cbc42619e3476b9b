"""A socket whose operations, all together, end by one deadline.

A time-out of a socket, and so of every HTTP library for Python, holds for one read: a server that
sends a byte now and then keeps its caller for ever. Here each operation gets what is left.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

    from triton_deploy_core.clock import Deadline
    from triton_deploy_transport._server_url import ServerUrl

_PIECE = 1 << 20


class DeadlineSocket:
    """A connected socket. `deadline` is set anew for each request."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self.deadline = deadline

    @classmethod
    def connect(
        cls, url: ServerUrl, tls: ssl.SSLContext | None, deadline: Deadline
    ) -> DeadlineSocket:
        """Connect to the first address of a host that answers; TLS verifies the server's name.

        Raises:
            OSError: none does, or the deadline passed (a `TimeoutError`).
        """
        sock = _connected(url.host, url.port, deadline)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_left(deadline))
            if tls is not None:
                sock = tls.wrap_socket(sock, server_hostname=url.name)
        except OSError:
            sock.close()
            raise
        return cls(sock, deadline)

    def keep_alive(self, seconds: float) -> None:
        """Let the system try the connection whenever it was silent for so long."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            if hasattr(socket, option):  # which it is on Linux
                self._sock.setsockopt(
                    socket.IPPROTO_TCP, getattr(socket, option), max(1, round(seconds))
                )

    def sendall(self, data: Buffer) -> None:
        """Send every byte."""
        view = memoryview(data).cast("B")
        while view:
            self._sock.settimeout(_left(self.deadline))
            view = view[self._sock.send(view[:_PIECE]) :]

    def receive(self, size: int) -> bytes:
        """Receive what is there, at least one byte and at most `size`; none at the end."""
        self._sock.settimeout(_left(self.deadline))
        return self._sock.recv(size)

    def receive_into(self, buffer: Buffer) -> int:
        """Receive what is there, at least one byte; 0 at the end of the stream."""
        self._sock.settimeout(_left(self.deadline))
        return self._sock.recv_into(buffer)

    def is_quiet(self) -> bool:
        """Tell whether the other side has neither closed nor said anything unasked."""
        self._sock.settimeout(0)
        try:
            # Past the layer of TLS, which can't peek.
            socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


def _left(deadline: Deadline) -> float:
    seconds = deadline.remaining()
    if seconds <= 0.0:
        raise TimeoutError
    return seconds


def _connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    problem: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    raise problem or OSError(f"{host} has no address")
