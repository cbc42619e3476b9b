"""One server of a fleet, and what is known of it from where its address was found."""

from __future__ import annotations

from dataclasses import dataclass

from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.server_names import names_of


@dataclass(frozen=True, slots=True)
class Member:
    """One server of a fleet.

    Attributes:
        server: the server.
        aliases: what else it is called, beside its URL and host: a pod's name, a node's.
        takes_requests: whether predictions may go to it. One that is told to load all the same
            may be kept unready by nothing else than a load that failed.
    """

    server: InferenceServer
    aliases: frozenset[str] = frozenset()
    takes_requests: bool = True

    @property
    def url(self) -> str:
        """The server's URL, by which the fleet tells its members apart."""
        return self.server.url

    @property
    def names(self) -> frozenset[str]:
        """All that it can be called."""
        return names_of(self.url) | self.aliases
