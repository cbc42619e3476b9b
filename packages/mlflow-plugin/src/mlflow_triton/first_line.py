"""What a library says is wrong, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message without its full stop, else its type's name."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
