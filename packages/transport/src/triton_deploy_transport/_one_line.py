"""Foreign text made fit for a message of one line."""

from __future__ import annotations


def one_line(text: str, *, limit: int = 1000) -> str:
    """Return a text without line breaks or characters that a terminal would obey."""
    joined = " ".join(text.split())
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in joined)
    return shown if len(shown) <= limit else shown[:limit] + "…"


def without_traceback(reason: str) -> str:
    """Return what Triton says of a failure on one line, without its python backend's traceback."""
    plain = reason.removeprefix("[request id: <id_unknown>] ")
    return one_line(plain.split("\n\nAt:\n", 1)[0]).rstrip("; ")
