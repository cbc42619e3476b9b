"""Which of the names in a bucket are keys of a repository: others are somebody else's objects."""

from __future__ import annotations

from triton_deploy_core.keys import check_key


def is_key(name: str) -> bool:
    """Tell whether the rest of an object's name, below the repository's root, is a key."""
    try:
        check_key(name)
    except ValueError:
        return False
    return True


def can_begin_a_key(prefix: str) -> bool:
    """Tell whether asking a service for names with this prefix can make sense at all."""
    return ("\0" not in prefix and prefix.isprintable()) or is_key(prefix)
