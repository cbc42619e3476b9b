"""Regions of shared memory on a server, over HTTP.

Source: Triton's ``docs/protocol/extension_shared_memory.md``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from triton_deploy_transport._http_answers import accepted, not_triton, refusal
from triton_deploy_transport._http_client import HttpClient, Request
from triton_deploy_transport._http_errors import mapped_errors
from triton_deploy_transport._refusals import raise_refused
from triton_deploy_transport._region_support import has_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triton_deploy_transport._http_reply import Reply
    from triton_deploy_transport._shared_region import Region

_PATH = "/v2/systemsharedmemory"


class HttpRegions:
    """The regions of one server: `RegionServer`."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url

    def supports_regions(self, *, timeout: float) -> bool:
        """See `RegionServer.supports_regions`."""
        reply = self._done(Request("GET", "/v2"), timeout)
        try:
            answer: Any = reply.json()
            return has_regions(answer["name"], answer["version"], answer["extensions"])
        except (ValueError, KeyError, TypeError) as error:
            raise not_triton(reply, self._url) from error

    def register(self, region: Region, *, timeout: float) -> None:
        """See `RegionServer.register`."""
        wanted = {"key": region.key, "offset": 0, "byte_size": region.size}
        body = (json.dumps(wanted).encode(),)
        path = f"{_PATH}/region/{region.name}/register"
        self._done(Request("POST", path, body=body, repeatable=False), timeout)

    def unregister(self, name: str, *, timeout: float) -> None:
        """See `RegionServer.unregister`."""
        self._done(Request("POST", f"{_PATH}/region/{name}/unregister"), timeout)

    def registered(self, *, timeout: float) -> Sequence[str]:
        """See `RegionServer.registered`."""
        reply = self._done(Request("GET", f"{_PATH}/status"), timeout)
        try:
            rows: Any = reply.json()
            return [row["name"] for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise not_triton(reply, self._url) from error

    def _done(self, request: Request, timeout: float) -> Reply:
        with mapped_errors(self._url, timeout=timeout):
            reply = self._client.exchange(request, timeout=timeout)
        if not accepted(reply, self._url):
            raise_refused(refusal(reply), doing="to share memory", url=self._url)
        return reply
