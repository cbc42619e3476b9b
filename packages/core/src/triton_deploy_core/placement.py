"""Which servers of a fleet a deployment is for: patterns of their names, kept in its record.

A text such as ``gpu-*,10.0.0.7``; empty for all of them.
"""

from __future__ import annotations

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.failures import listed
from triton_deploy_core.ports.server import InferenceServer


def inside(server: InferenceServer, servers: str) -> InferenceServer | None:
    """Return the part of a server that a deployment is for; None where nothing matches."""
    return server.part(_urls(server, servers)) if servers else server


def outside(server: InferenceServer, servers: str) -> InferenceServer | None:
    """Return the part of a server that a deployment is not for; None where there is none."""
    if not servers:
        return None
    everybody = {one.url for one in server.servers()}
    return server.part(everybody - _urls(server, servers))


def chosen(server: InferenceServer, servers: str) -> InferenceServer:
    """Return the part of a server that a deployment is for.

    Raises:
        InvalidSettingError: it is for none.
    """
    found = inside(server, servers)
    if found is None:
        raise InvalidSettingError(
            f"servers={servers!r} matches no server: there is "
            f"{listed(one.url for one in server.servers())}. Give names of theirs, with * and ? "
            "where several are meant; an update with servers=* is for all of them."
        )
    return found


def both(one: str, other: str) -> str:
    """Return what matches all that one of two texts matches."""
    return f"{one},{other}" if one and other else ""


def _urls(server: InferenceServer, servers: str) -> frozenset[str]:
    return server.matching(pattern for pattern in servers.split(",") if pattern.strip())
