"""A proxy between a client and a store, for fault tests and benchmarks.

It hands on what it gets, byte for byte (signatures hold, since the ``Host`` stays what the client
sent), counts it, adds latency, and does to some requests what networks do. It keeps no body in
memory, but for answers that it breaks. A rule picks the fault of a request::

    with FaultProxy(moto.endpoint) as proxy:
        proxy.rule = OnNth(Break.AFTER, nth=2, when=lambda request: request.method == "PUT")
        use(proxy.endpoint)
        assert proxy.rule.hit
        print(proxy.tally())

As a program it is a process of its own, which takes no time from a client that is measured:
``python -m triton_deploy_storage.testing_proxy URL --latency 0.02`` prints its address, and what
it counted when its standard input ends.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from triton_deploy_storage._proxy.connection import Connection, Exchange, Passing
from triton_deploy_storage._proxy.faults import (
    Answer,
    Break,
    Delay,
    Fault,
    OnNth,
    Request,
    Rule,
)

__all__ = [
    "Answer",
    "Break",
    "Delay",
    "Exchange",
    "Fault",
    "FaultProxy",
    "OnNth",
    "Request",
    "Rule",
    "Tally",
]

_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests, and bytes of their bodies and of the answers' bodies."""

    requests: int = 0
    sent: int = 0
    received: int = 0

    def __add__(self, exchange: Exchange) -> Tally:
        """Count one more."""
        return Tally(
            self.requests + 1, self.sent + exchange.sent, self.received + exchange.received
        )


class FaultProxy:
    """Stands before one service, for as long as a ``with`` block.

    Args:
        target: the service's URL: ``http://host:port``.
        latency: seconds that every request waits here.

    Attributes:
        rule: which request meets which fault; none if it is none.
        left_out: names of request headers that are not handed on.
    """

    def __init__(self, target: str, *, latency: float = 0.0) -> None:
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"no http://host:port: {target!r}")
        self._latency = latency
        self._target = (parts.hostname, parts.port or 80)
        self._listener: socket.socket | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._connections: dict[threading.Thread, Connection] = {}
        self.rule: Rule | None = None
        self.left_out: Iterable[str] = ()
        self.endpoint = ""

    def __enter__(self) -> FaultProxy:  # noqa: PYI034  (no typing_extensions here)
        """Listen on a free port of this machine; `endpoint` is its URL."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="fault-proxy", daemon=True
        )
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection."""
        self._closing.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join()
            self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            connection.end()
            thread.join()

    def exchanges(self) -> list[Exchange]:
        """Return all requests so far, in the order in which they were answered."""
        with self._lock:
            return list(self._exchanges)

    def tally(self) -> dict[tuple[str, str], Tally]:
        """Return the counts by method and path."""
        found: dict[tuple[str, str], Tally] = {}
        for exchange in self.exchanges():
            at = exchange.request.method, exchange.request.path
            found[at] = found.get(at, Tally()) + exchange
        return found

    def total(self) -> Tally:
        """Return the count of all requests."""
        total = Tally()
        for exchange in self.exchanges():
            total += exchange
        return total

    def forget(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._exchanges.clear()

    def _accept(self, listener: socket.socket) -> None:
        passing = Passing(
            target=self._target,
            fault_of=lambda request: self.rule(request) if self.rule else None,
            left_out=lambda: self.left_out,
            wait=self._wait,
            keep=self._keep,
        )
        while not self._closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._run, args=(Connection(client, passing),), daemon=True
            )
            thread.start()

    def _run(self, connection: Connection) -> None:
        me = threading.current_thread()
        with self._lock:
            self._connections[me] = connection
        if self._closing.is_set():
            connection.end()
        connection.run()
        with self._lock:
            del self._connections[me]

    def _wait(self, seconds: float) -> bool:
        return self._closing.wait(self._latency + seconds)

    def _keep(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)


def main() -> None:
    """Run one until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m triton_deploy_storage.testing_proxy")
    parser.add_argument("target", help="the service: http://host:port")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each request")
    arguments = parser.parse_args()
    with FaultProxy(arguments.target, latency=arguments.latency) as proxy:
        print(proxy.endpoint, flush=True)  # noqa: T201  (a program's output)
        sys.stdin.read()
        total = proxy.total()
        counts = {"requests": total.requests, "sent": total.sent, "received": total.received}
        print(json.dumps(counts), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
