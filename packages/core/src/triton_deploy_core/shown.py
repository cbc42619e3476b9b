"""Names, keys and paths as messages of one line have them."""

from __future__ import annotations


def shown(text: str) -> str:
    """Return a text itself where that keeps a message on one line, else escaped."""
    return text if text.isprintable() else repr(text)
