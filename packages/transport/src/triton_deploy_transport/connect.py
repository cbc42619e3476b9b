"""From URLs to the adapters that speak to the servers there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from triton_deploy_transport._server_url import (
    GRPC_SCHEMES,
    HTTP_SCHEMES,
    names_several,
    require_known_scheme,
    scheme_of,
    without_secrets,
)
from triton_deploy_transport.server_address import ServerAddress

if TYPE_CHECKING:
    from triton_deploy_core.fleet.rollout import Rollout
    from triton_deploy_core.ports.model_server import ModelServer
    from triton_deploy_core.ports.server import InferenceServer
    from triton_deploy_transport.access import Access

    Connect = Callable[[ServerAddress], InferenceServer]

# Imported only when used: each brings the library below it along.
_ADAPTERS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(HTTP_SCHEMES, ("triton_deploy_transport.http", "HttpServer")),
    **dict.fromkeys(GRPC_SCHEMES, ("triton_deploy_transport.grpc", "GrpcServer")),
}


def connect(
    url: str,
    *,
    request_timeout: float = 60.0,
    access: Access | None = None,
    keepalive: float | None = None,
    nameserver: str | None = None,
    rollout: Rollout | None = None,
    shared_memory: bool = True,
) -> InferenceServer:
    """Return the server behind a URL, or a fleet of those that URLs or a directory name.

    A fleet has the servers that there are now: for what there is later, connect again. Nothing is
    sent to a server yet.

    Args:
        url: ``host:port`` (which is HTTP), ``http://…``, ``https://…``, ``grpc://…``,
            ``grpcs://…``; several with commas between them; ``dns+grpc://…`` and ``k8s://…``: see
            `triton_deploy_transport.directory`.
        request_timeout: seconds that a call without a time-out of its own may take in all.
        access: certificates, headers and a token; nothing of the kind if left out.
        keepalive: seconds after which a silent connection is tried; the adapter's own measure if
            left out.
        nameserver: ``host:port`` of the DNS server to ask, in place of what the system asks.
        rollout: how operations go through a fleet.
        shared_memory: whether large tensors may go through shared memory to a server on the same
            machine, where that can be.

    Raises:
        InvalidSettingError: not a URL, one of a kind that this version can't speak to, or a file
            of `access` that is of no use.
        ServerUnreachableError: no server can be found.
    """
    connect_to = _connecting(request_timeout, access, keepalive, shared_memory=shared_memory)
    if not names_several(url):
        return connect_to(ServerAddress(url))
    # What only a fleet needs is imported for one.
    from triton_deploy_core.fleet.fleet import Fleet  # noqa: PLC0415
    from triton_deploy_transport._fleet_members import FleetMembers  # noqa: PLC0415

    members = FleetMembers.of(url, nameserver, request_timeout, connect_to)
    return Fleet(members.find(), rollout, url=without_secrets(url))


def connect_for_requests(
    url: str,
    *,
    request_timeout: float = 60.0,
    access: Access | None = None,
    keepalive: float | None = None,
    nameserver: str | None = None,
    shared_memory: bool = True,
) -> ModelServer:
    """Return what answers requests to models for as long as it is kept.

    Of several servers each request goes to one that serves the model (see
    `triton_deploy_core.fleet.spreading`); servers that come and go are noticed.

    Args:
        url: see `connect`, and so all others.
        request_timeout: likewise.
        access: likewise.
        keepalive: likewise.
        nameserver: likewise.
        shared_memory: likewise.

    Raises:
        InvalidSettingError: see `connect`.
        ServerUnreachableError: no server can be found.
    """
    connect_to = _connecting(request_timeout, access, keepalive, shared_memory=shared_memory)
    if not names_several(url):
        return connect_to(ServerAddress(url))
    from triton_deploy_core.fleet.membership import Membership  # noqa: PLC0415
    from triton_deploy_core.fleet.spreading import Spreading  # noqa: PLC0415
    from triton_deploy_transport._fleet_members import FleetMembers  # noqa: PLC0415

    members = FleetMembers.of(url, nameserver, request_timeout, connect_to)
    return Spreading(Membership(members.find))


def _connecting(
    request_timeout: float,
    access: Access | None,
    keepalive: float | None,
    *,
    shared_memory: bool = True,
) -> Connect:
    def connect_to(address: ServerAddress) -> InferenceServer:
        require_known_scheme(address.url)
        module, adapter = _ADAPTERS[scheme_of(address.url)]
        server = getattr(import_module(module), adapter)(
            address.url,
            request_timeout=request_timeout,
            access=access,
            keepalive=keepalive,
            server_name=address.server_name,
            shared_memory=shared_memory,
        )
        return cast("InferenceServer", server)

    return connect_to
