"""From a server's URL to the adapter that speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport._server_url import (
    GRPC_SCHEMES,
    HTTP_SCHEMES,
    scheme_of,
    without_secrets,
)

if TYPE_CHECKING:
    from triton_deploy_core.ports.server import InferenceServer
    from triton_deploy_transport.access import Access

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
) -> InferenceServer:
    """Return the server behind a URL. Nothing is sent yet.

    Args:
        url: ``host:port`` (which is HTTP), ``http://…``, ``https://…``, ``grpc://…`` or
            ``grpcs://…``.
        request_timeout: seconds that a call without a time-out of its own may take in all.
        access: certificates, headers and a token; nothing of the kind if left out.
        keepalive: seconds after which a silent connection is tried; the adapter's own measure if
            left out.

    Raises:
        InvalidSettingError: not a URL, one of a kind that this version can't speak to, or a file
            of `access` that is of no use.
    """
    if "," in url:
        message = (
            f"{without_secrets(url)!r} names several servers, this version speaks to one: "
            "give one URL, such as http://host:8000"
        )
        raise InvalidSettingError(message)
    found = _ADAPTERS.get(scheme_of(url))
    if found is None:
        known = ", ".join(f"{scheme}://" for scheme in _ADAPTERS)
        message = (
            f"{without_secrets(url)!r}: Triton speaks HTTP and gRPC ({known}): "
            "give one of its addresses, such as http://host:8000"
        )
        raise InvalidSettingError(message)
    module, adapter = found
    server = getattr(import_module(module), adapter)(
        url, request_timeout=request_timeout, access=access, keepalive=keepalive
    )
    return cast("InferenceServer", server)
