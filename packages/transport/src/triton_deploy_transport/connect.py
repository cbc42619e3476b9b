"""From a server's URL to the adapter that speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport._server_url import scheme_of, without_secrets

if TYPE_CHECKING:
    from triton_deploy_core.ports.server import InferenceServer


def connect(url: str, *, request_timeout: float = 60.0) -> InferenceServer:
    """Return the server behind a URL. Nothing is sent yet.

    Args:
        url: ``host:port``, ``http://…`` or ``https://…``.
        request_timeout: seconds that a call without a time-out of its own may take in all.

    Raises:
        InvalidSettingError: not a URL, or one of a kind that this version can't speak to.
    """
    if "," in url:
        message = (
            f"{without_secrets(url)!r} names several servers, this version speaks to one: "
            "give one URL, such as http://host:8000"
        )
        raise InvalidSettingError(message)
    adapter = _ADAPTERS.get(scheme_of(url))
    if adapter is None:
        known = ", ".join(f"{scheme}://" for scheme in _ADAPTERS)
        message = (
            f"{without_secrets(url)!r}: this version speaks HTTP only ({known}): "
            "give the server's HTTP address, such as http://host:8000"
        )
        raise InvalidSettingError(message)
    return adapter(url, request_timeout)


def _http(url: str, request_timeout: float) -> InferenceServer:
    from triton_deploy_transport.http import HttpServer  # noqa: PLC0415 (only when used)

    return HttpServer(url, request_timeout=request_timeout)


_ADAPTERS: Mapping[str, Callable[[str, float], InferenceServer]] = {"http": _http, "https": _http}
