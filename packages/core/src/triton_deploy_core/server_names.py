"""The names by which a user can mean a server: patterns such as ``gpu-*`` or ``10.0.0.?``."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

_LONGEST = 2000


def names_of(url: str) -> frozenset[str]:
    """Return what a server's URL lets it be called: the URL, ``host:port`` and the host."""
    _, _, address = url.rpartition("://")
    names = {url, address}
    try:
        host = urlsplit(f"//{address}").hostname
    except ValueError:
        host = None
    return frozenset(names | ({host} if host else set()))


def matches(names: Iterable[str], patterns: Iterable[str]) -> bool:
    """Tell whether a pattern (`fnmatch`, in any case) matches one of a server's names."""
    wanted = [pattern.strip().lower() for pattern in patterns]
    return any(fnmatchcase(name.lower(), pattern) for name in names for pattern in wanted)


def check_url(url: object) -> str:
    """Return what a file says is a server's URL, where a message can show it.

    Raises:
        ValueError: it is no text, or not one of one line.
    """
    if not (isinstance(url, str) and url.isprintable() and 0 < len(url) <= _LONGEST):
        raise ValueError(url)
    return url
