"""Names looked up: as the system does it, or at one DNS server.

The system knows hosts files and search domains, but no SRV records: for those dnspython asks the
same DNS servers. It comes with the extra ``dns`` and is imported where it is used.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport.nameserver import parse_nameserver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RECORDS = {"A": "address", "AAAA": "address", "SRV": "SRV record"}


class LookupFailedError(Exception):
    """A name could not be looked up; the argument says why.

    Attributes:
        unknown: whether that is so because there is no such name, or nothing of it.
    """

    def __init__(self, why: str, *, unknown: bool = False) -> None:
        super().__init__(why)
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Service:
    """What one SRV record tells: a host and the port there."""

    host: str
    port: int


class Lookup(Protocol):
    """Looks names up. Both methods raise `LookupFailedError`, also where there is nothing."""

    def addresses(self, name: str) -> Sequence[str]:
        """Return every address of a name, IPv4 before IPv6, in order."""
        ...

    def services(self, name: str) -> Sequence[Service]:
        """Return what the SRV records of a name tell, those of the lowest priority first."""
        ...


class SystemLookup:
    """Asks what the system is set to ask.

    Args:
        timeout: seconds that a question about SRV records may take; the system's own limits hold
            for addresses.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout

    def addresses(self, name: str) -> Sequence[str]:
        """See `Lookup.addresses`."""
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
                raise _no_such(name) from None
            why = f"{name!r} can't be resolved now ({error.strerror})"
            raise LookupFailedError(why) from error
        except UnicodeError:  # a part of it is empty, or too long
            raise _no_such(name) from None
        return _in_order(str(address[0]) for *_, address in found)

    def services(self, name: str) -> Sequence[Service]:
        """See `Lookup.services`."""
        resolver = _dnspython().resolver
        try:
            asked = resolver.Resolver()
        except resolver.NoResolverConfiguration as error:
            why = "the system names no DNS server (in /etc/resolv.conf): set nameserver"
            raise LookupFailedError(why) from error
        return _services(_ask(asked, name, "SRV", self._timeout, search=True))


class NameserverLookup:
    """Asks one DNS server.

    Args:
        nameserver: ``host:port``, ``host`` (port 53), an IPv6 address in brackets.
        timeout: seconds that one question may take.

    Raises:
        InvalidSettingError: `nameserver` is none.
    """

    def __init__(self, nameserver: str, *, timeout: float) -> None:
        try:
            self._host, self._port = parse_nameserver(nameserver)
        except ValueError as error:
            raise InvalidSettingError(f"nameserver {nameserver!r}: {error}") from None
        self._timeout = timeout

    def addresses(self, name: str) -> Sequence[str]:
        """See `Lookup.addresses`."""
        if _is_address(name):
            return (name,)
        asked = self._resolver()
        found: list[str] = []
        for kind in ("A", "AAAA"):
            found += (record.address for record in _ask(asked, name, kind, self._timeout))
        if not found:
            raise _nothing(name, "A")
        return _in_order(found)

    def services(self, name: str) -> Sequence[Service]:
        """See `Lookup.services`."""
        return _services(_ask(self._resolver(), name, "SRV", self._timeout))

    def _resolver(self) -> Any:
        # dnspython wants addresses of DNS servers; where it has a name, the system knows it.
        try:
            hosts = SystemLookup(timeout=self._timeout).addresses(self._host)
        except LookupFailedError as error:
            raise LookupFailedError(f"the nameserver {self._host!r} is unknown: {error}") from error
        resolver = _dnspython().resolver.Resolver(configure=False)
        resolver.nameservers = list(hosts)
        resolver.port = self._port
        return resolver


def _ask(
    resolver: Any, name: str, kind: str, timeout: float, *, search: bool = False
) -> Sequence[Any]:
    """Return the records of one kind: none for addresses, where there may be those of the other."""
    dns = _dnspython()
    try:
        answer = resolver.resolve(
            name, kind, search=search, lifetime=timeout, raise_on_no_answer=kind == "SRV"
        )
        return list(answer)
    except dns.resolver.NXDOMAIN:
        raise _no_such(name) from None
    except dns.resolver.NoAnswer:
        raise _nothing(name, kind) from None
    except dns.exception.Timeout as error:
        why = f"no DNS server answered within {timeout:g} s when asked for {name!r}"
        raise LookupFailedError(why) from error
    except dns.resolver.NoNameservers as error:
        why = f"no DNS server could or would answer when asked for {name!r}"
        raise LookupFailedError(why) from error
    except dns.exception.DNSException:  # a part of it is empty, or too long
        raise _no_such(name) from None


def _services(records: Iterable[Any]) -> Sequence[Service]:
    found = sorted(
        (record.priority, str(record.target).rstrip("."), record.port) for record in records
    )
    # The root as target says that there is no such service (RFC 2782).
    return [Service(host, port) for _, host, port in found if host]


def _in_order(addresses: Iterable[str]) -> Sequence[str]:
    def rank(address: str) -> tuple[int, int]:
        parsed = ipaddress.ip_address(address)
        return parsed.version, int(parsed)

    return sorted(set(addresses), key=rank)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _no_such(name: str) -> LookupFailedError:
    return LookupFailedError(f"the name {name!r} can't be resolved", unknown=True)


def _nothing(name: str, kind: str) -> LookupFailedError:
    return LookupFailedError(f"the name {name!r} has no {_RECORDS[kind]} now", unknown=True)


def _dnspython() -> Any:
    try:
        import dns.exception  # noqa: PLC0415 (only when used)
        import dns.resolver  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "dns":
            raise
        raise InvalidSettingError(
            "SRV records and a nameserver of one's own need dnspython: "
            "pip install 'triton-deploy-transport[dns]'"
        ) from error
    return dns
