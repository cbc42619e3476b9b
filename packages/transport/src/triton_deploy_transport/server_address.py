"""One server as a directory knows it, and what a directory is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is now.

    Attributes:
        url: one server's URL; a user and password may be in it.
        server_name: what the server's certificate and ``Host`` say where `url` has an address.
        names: what its directory calls it beside, such as a pod's name and its node's.
        ready: False for a server that is told what to load, but should get no inferences.
    """

    url: str = field(repr=False)
    server_name: str | None = None
    names: tuple[str, ...] = ()
    ready: bool = True


class Directory(Protocol):
    """Knows at which addresses servers are; asked again, it tells how that is now."""

    def find(self) -> Sequence[ServerAddress]:
        """Return every server once, at least one, in an order that stays.

        Raises:
            ServerUnreachableError: there is none now, or whoever knows them can't be asked.
            InvalidSettingError: it can't be asked with what it was given, or what is installed.
        """
        ...
