"""Servers under a name of DNS: its addresses, or the hosts and ports of its SRV records."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError, ServerUnreachableError
from triton_deploy_core.parallel import for_each
from triton_deploy_transport._dns_lookup import LookupFailedError
from triton_deploy_transport._server_url import (
    GRPC_SCHEMES,
    HTTP_SCHEMES,
    ServerUrl,
    bracketed,
    without_secrets,
)
from triton_deploy_transport.server_address import ServerAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triton_deploy_transport._dns_lookup import Lookup, Service

_PREFIX = "dns+"
_THREADS = 16
_SERVICE_LABELS = re.compile(r"^(_[^.]*\.)+")
_FORM = (
    "Write dns+grpc://name:port (or dns+grpcs, dns+http, dns+https), or leave the port out where "
    "SRV records of the name tell it"
)


class DnsDirectory:
    """The servers that a name resolves to now.

    A name with a port has servers at that port of each of its addresses, IPv4 and IPv6. One without
    a port, as one that begins with ``_``, has a server for each SRV record: at the first address of
    the record's host, or at every one of the same family where there are several.

    Args:
        url: ``dns+SCHEME://name:port``; what may be in a server's URL beside may be here.
        lookup: what knows names.

    Raises:
        InvalidSettingError: `url` is something else.
    """

    def __init__(self, url: str, lookup: Lookup) -> None:
        self._shown = without_secrets(url)
        # A scheme that is none is refused with the others; what is left is one server's URL.
        self._template = url[len(_PREFIX) :]
        parsed = ServerUrl.parse(self._template, HTTP_SCHEMES + GRPC_SCHEMES)
        self._name = parsed.host
        self._port = parsed.port if parsed.port_given else None
        self._lookup = lookup
        if self._port is not None and self._name.startswith("_"):
            message = (
                f"{self._shown!r}: SRV records tell the port, so there can be none after a name "
                f"that begins with '_'. {_FORM}"
            )
            raise InvalidSettingError(message)

    def find(self) -> Sequence[ServerAddress]:
        """See `Directory.find`."""
        try:
            if self._port is not None:
                return self._at_addresses(self._port)
            return self._at_services()
        except LookupFailedError as error:
            raise self._none(str(error)) from error

    def _at_addresses(self, port: int) -> Sequence[ServerAddress]:
        found = self._lookup.addresses(self._name)
        return [self._server(address, port, self._name, ()) for address in found]

    def _at_services(self) -> Sequence[ServerAddress]:
        services = self._lookup.services(self._name)
        hosts = self._addresses_of({service.host for service in services})
        # The name that was asked for is verified, not what an unsigned record makes of it.
        name = _SERVICE_LABELS.sub("", self._name)
        servers: dict[str, ServerAddress] = {}
        for service in services:
            for address in hosts[service.host]:
                server = self._server(address, service.port, name, _names(service))
                servers.setdefault(server.url, server)
        if not servers:
            raise self._none(f"no host in the SRV records of {self._name!r} has an address now")
        return list(servers.values())

    def _addresses_of(self, hosts: set[str]) -> dict[str, Sequence[str]]:
        """Return what each host resolves to: nothing for one that is gone, whose record is old."""
        found: dict[str, Sequence[str]] = {}

        def look_up(host: str) -> None:
            try:
                addresses = self._lookup.addresses(host)
            except LookupFailedError as error:
                if not error.unknown:
                    raise
                addresses = ()
            # A record names one server, which both families reach: Triton listens on IPv4 unless
            # it is told otherwise.
            of_ipv4 = [address for address in addresses if ":" not in address]
            found[host] = of_ipv4 or addresses

        if hosts:
            for_each(look_up, sorted(hosts), threads=min(_THREADS, len(hosts)))
        return found

    def _server(
        self, address: str, port: int, server_name: str, names: tuple[str, ...]
    ) -> ServerAddress:
        scheme, _, rest = self._template.partition("://")
        authority, slash, path = rest.partition("/")
        user, at, _ = authority.rpartition("@")
        return ServerAddress(
            f"{scheme}://{user}{at}{bracketed(address)}:{port}{slash}{path}",
            server_name=server_name,
            names=names,
        )

    def _none(self, why: str) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"no server found by {self._shown}: {why}. "
            "Start one, or correct the URL (and nameserver, if that is set)"
        )


def _names(service: Service) -> tuple[str, ...]:
    return service.host, service.host.partition(".")[0]
