"""The servers that a directory knows, as members of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_deploy_core.fleet.member import Member
from triton_deploy_transport.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from triton_deploy_core.ports.server import InferenceServer
    from triton_deploy_transport.server_address import Directory, ServerAddress

    Connect = Callable[[ServerAddress], InferenceServer]


class FleetMembers:
    """A directory's servers as members of a fleet: one that stays keeps its connections."""

    def __init__(self, directory: Directory, connect_to: Connect) -> None:
        self._directory = directory
        self._connect_to = connect_to
        self._servers: dict[tuple[str, str | None], InferenceServer] = {}

    @classmethod
    def of(
        cls, urls: str, nameserver: str | None, timeout: float, connect_to: Connect
    ) -> FleetMembers:
        """Return the members that URLs name: see `open_directory`."""
        return cls(open_directory(urls, nameserver=nameserver, timeout=timeout), connect_to)

    def find(self) -> Sequence[Member]:
        """Return the members as they are now.

        Raises:
            ServerUnreachableError: nobody knows them; see `Directory.find`.
            InvalidSettingError: likewise.
        """
        addresses = {
            (address.url, address.server_name): address for address in self._directory.find()
        }
        self._servers = {
            key: self._servers.get(key) or self._connect_to(address)
            for key, address in addresses.items()
        }
        return [
            Member(self._servers[key], frozenset(address.names), takes_requests=address.ready)
            for key, address in addresses.items()
        ]
