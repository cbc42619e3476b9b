"""Asking a server how it is, over HTTP."""

from __future__ import annotations

import http.client
from typing import Literal

Condition = Literal["live", "ready"]
_TIMEOUT_SECONDS = 5.0
_OK = 200


def is_healthy(host: str, port: int, condition: Condition) -> bool:
    """Returns whether the server says that it is live, or ready.

    Ready is the stronger one and a trap: one model version that failed to load makes a server not
    ready until that version loads, though it serves all others.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/v2/health/{condition}")
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
