"""Choosing and checking the ports that a server listens on."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from triton_local_server.errors import InvalidOptionError, PortInUseError

_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Ports:
    """The three TCP ports of one server."""

    http: int
    grpc: int
    metrics: int


@dataclass(frozen=True, slots=True)
class PortRequest:
    """Ports that the caller chose; None is any free port."""

    http: int | None = None
    grpc: int | None = None
    metrics: int | None = None

    def __post_init__(self) -> None:
        chosen = self.chosen
        for service, port in chosen.items():
            if not 0 < port <= _HIGHEST_PORT:
                raise InvalidOptionError(
                    f"{service}_port={port} is no TCP port: choose one from 1 to {_HIGHEST_PORT}, "
                    "or leave it out for a free one."
                )
        if len(set(chosen.values())) < len(chosen):
            raise InvalidOptionError(
                f"The ports must differ from each other: {chosen}. Leave one out for a free one."
            )

    @property
    def chosen(self) -> dict[str, int]:
        """Service → port, for those that the caller chose."""
        asked = {"http": self.http, "grpc": self.grpc, "metrics": self.metrics}
        return {service: port for service, port in asked.items() if port is not None}

    @property
    def leaves_choice(self) -> bool:
        """Whether at least one port is ours to choose."""
        return len(self.chosen) < len(Ports.__slots__)


def choose_ports(host: str, request: PortRequest) -> Ports:
    """Returns `request` with free ports filled in.

    Nothing stays reserved: another process can take a port before the server does.

    Raises:
        PortInUseError: A port that the caller chose cannot be listened on.
    """
    with ExitStack() as held:
        ports = dict(request.chosen)
        for service, port in request.chosen.items():
            _hold(held, host, port, service)
        for service in ("http", "grpc", "metrics"):
            if service not in ports:
                ports[service] = _hold(held, host, 0, service)
    return Ports(**ports)


def _hold(held: ExitStack, host: str, port: int, service: str) -> int:
    """Binds `port` until `held` is closed and returns its number."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = held.enter_context(socket.socket(family, kind, protocol))
        # As the server does: connections that linger from an earlier server do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        if port == 0:
            raise InvalidOptionError(
                f"Cannot listen on host {host!r}: {error}. Choose an address of this machine."
            ) from error
        raise PortInUseError(
            f"Port {port} ({service}_port) on {host} cannot be used: {error.strerror or error}. "
            "Choose another port, or leave it out for a free one."
        ) from error
    number = listener.getsockname()[1]
    return int(number)
