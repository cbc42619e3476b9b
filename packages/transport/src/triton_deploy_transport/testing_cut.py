"""A TCP proxy that falls silent on command, as a network does that is cut: for fault tests.

::

    with CuttableProxy("127.0.0.1:8001") as proxy:
        server = connect(f"grpc://{proxy.address}")
        proxy.cut()  # calls go unanswered now, also those that are under way
        proxy.mend()  # and what was held back arrives
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_PIECE = 1 << 16


class CuttableProxy:
    """Stands before one server, for as long as a ``with`` block.

    Nothing that is sent through it gets lost, as TCP has it, and no connection ends by a cut.

    Args:
        target: ``host:port`` of the server.
        host: an address of this machine to listen on, at a free port.

    Attributes:
        address: ``host:port`` where it listens.
    """

    def __init__(self, target: str, *, host: str = "127.0.0.1") -> None:
        server, _, port = target.rpartition(":")
        self._target = server.strip("[]"), int(port)
        self._host = host
        self._passing = threading.Event()
        self._passing.set()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self.address = ""

    def __enter__(self) -> Self:
        """Listen."""
        self._listener = socket.create_server((self._host, 0))
        self.address = f"{self._host}:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection."""
        self._closing.set()
        self._passing.set()
        _shut(self._listener)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for thread, client in connections.items():
            _shut(client)
            thread.join()

    def cut(self) -> None:
        """Let nothing pass from now on, in either direction."""
        self._passing.clear()

    def mend(self) -> None:
        """Let everything pass again, what was sent meanwhile too."""
        self._passing.set()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            with self._lock:
                self._connections[thread] = client
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            self._passing.wait()
            with suppress(OSError), socket.create_connection(self._target) as server:
                back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
                back.start()
                self._pass_on(client, server)
                back.join()
            with self._lock:
                del self._connections[threading.current_thread()]

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self._passing.wait()
                target.sendall(piece)
        self._passing.wait()
        _shut(target)


def _shut(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
