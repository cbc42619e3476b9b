"""Which servers can share memory, and how they say so."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXTENSION = "system_shared_memory"
_LEAST_VERSION = (2, 51)
"""Seen of that Triton: it does not let go of a region while a request uses it."""


def has_regions(name: str, version: str, extensions: Sequence[str]) -> bool:
    """Tell by a server's metadata whether it shares memory safely."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (
        name == "triton"
        and _EXTENSION in extensions
        and found is not None
        and (int(found[1]), int(found[2])) >= _LEAST_VERSION
    )
