"""The address of a DNS server, as users write it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

DNS_PORT = 53
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")


def parse_nameserver(text: str) -> tuple[str, int]:
    """Return host and port of a DNS server.

    Raises:
        ValueError: it is something else.
    """
    problem = "it has to be host:port of a DNS server, such as 127.0.0.1:8600"
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(problem) from None
    if not host or port == 0 or parts.netloc != text.strip() or _HOST.fullmatch(host) is None:
        raise ValueError(problem)
    return host, port or DNS_PORT
