"""Directories: what knows at which addresses servers are now. `open_directory` makes one of a text.

::

    url                             that server: host:port, http, https, grpc or grpcs
    url,url,…                       each of them, in any of these forms
    dns+grpc://triton:8001          every address of the name; or dns+grpcs, dns+http, dns+https
    dns+grpc://_grpc._tcp.triton    every server that SRV records of the name tell, with its port
    dns+grpc://triton               likewise
    k8s://namespace/service:port    every pod of a Kubernetes service, ready or not; or k8s+grpc, …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport._dns_directory import DnsDirectory
from triton_deploy_transport._dns_lookup import NameserverLookup, SystemLookup
from triton_deploy_transport._kubernetes_directory import KubernetesDirectory
from triton_deploy_transport._server_url import (
    DNS,
    KUBERNETES,
    SCHEMES,
    ServerUrl,
    require_known_scheme,
    scheme_of,
    without_secrets,
)
from triton_deploy_transport.server_address import ServerAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from triton_deploy_transport.server_address import Directory


def open_directory(urls: str, *, nameserver: str | None = None, timeout: float = 60.0) -> Directory:
    """Return what knows the servers that a text names. Nothing is asked yet.

    Args:
        urls: see the module.
        nameserver: ``host:port`` of the DNS server that is asked for addresses and SRV records;
            whatever the system asks if left out.
        timeout: seconds that one question to a DNS or API server may take.

    Raises:
        InvalidSettingError: a text of no such form.
    """
    several = [url.strip(" ") for url in urls.split(",")]
    if len(several) > 1 and not all(several):
        raise InvalidSettingError(
            f"{without_secrets(urls)!r} names no server before or after a comma: leave that "
            "comma out."
        )
    directories = [_opened(url, nameserver, timeout) for url in several]
    return directories[0] if len(directories) == 1 else JoinedDirectory(directories)


class FixedDirectory:
    """One server whose URL is known.

    Raises:
        InvalidSettingError: it is none.
    """

    def __init__(self, url: str) -> None:
        require_known_scheme(url)
        ServerUrl.parse(url, SCHEMES)
        self._url = url

    def find(self) -> Sequence[ServerAddress]:
        """See `Directory.find`."""
        return (ServerAddress(self._url),)


class JoinedDirectory:
    """The servers of several directories, each once."""

    def __init__(self, directories: Sequence[Directory]) -> None:
        self._directories = directories

    def find(self) -> Sequence[ServerAddress]:
        """See `Directory.find`."""
        found: dict[tuple[str, int, str], ServerAddress] = {}
        for address in self._all():
            url = ServerUrl.parse(address.url, SCHEMES)
            found.setdefault((url.host, url.port, url.prefix), address)
        return list(found.values())

    def _all(self) -> Iterator[ServerAddress]:
        for directory in self._directories:
            yield from directory.find()


def _opened(url: str, nameserver: str | None, timeout: float) -> Directory:
    kind, plus, _ = scheme_of(url).partition("+")
    if kind == DNS and plus:
        lookup = (
            SystemLookup(timeout=timeout)
            if nameserver is None
            else NameserverLookup(nameserver, timeout=timeout)
        )
        return DnsDirectory(url, lookup)
    if kind == KUBERNETES:
        return KubernetesDirectory(url, timeout=timeout)
    return FixedDirectory(url)
