"""The keys of a repository: what is one, and how files and directory markers relate.

Every `BlobStore` refuses what is not a key by `check_key`, so that they all refuse alike.
A backslash, a space or a line break is an ordinary character, as on a POSIX file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from triton_deploy_core.ports.store import Content, Transfer

_RESERVED = ".triton-deploy"


def check_key(key: str) -> None:
    """Accept a file's key or a directory marker.

    Raises:
        ValueError: `key` is empty or absolute, holds a NUL, an empty segment, ``.`` or ``..``,
            or characters that have no UTF-8 form.
    """
    segments = key.removesuffix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments) or "\0" in key:
        raise ValueError(f"{key!r} is no key: use a relative path without '.', '..' and NUL")
    # Names that a file system holds in another encoding reach Python as lone surrogates.
    key.encode("utf-8", "surrogateescape")


def check_file_key(key: str) -> None:
    """Accept a file's key only.

    Raises:
        ValueError: it is no key, or a directory marker.
    """
    check_key(key)
    if is_marker(key):
        raise ValueError(f"{key!r} is a directory marker: a file's key does not end in '/'")


def check_transfer(item: Transfer) -> None:
    """Refuse a transfer to what is no key, and a directory marker with content.

    Raises:
        ValueError: it is one of these.
    """
    check_key(item.key)
    if is_marker(item.key) and item.source != Content(b""):
        raise ValueError(f"{item.key!r} is a directory marker: it has no content")


def is_reserved(key: str) -> bool:
    """Tell whether a store may keep this name for itself: its lock, its unfinished files."""
    return any(segment.startswith(_RESERVED) for segment in key.split("/"))


def is_marker(key: str) -> bool:
    """Tell whether a key is a directory marker."""
    return key.endswith("/")


def enclosing(key: str) -> Iterator[str]:
    """Yield the directories that a key lies in, as markers, the innermost first.

    ``a/b/c`` lies in ``a/b/`` and ``a/``; so does the marker ``a/b/c/``.
    """
    path = key.removesuffix("/")
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path + "/"


def displaced(present: Iterable[str], coming: Iterable[str]) -> set[str]:
    """Return which keys have to go before others can be put: they can't be there together.

    For ``a/b``: ``a`` and the marker ``a/``. For ``a`` or ``a/``: all that is in ``a/``.
    """
    new = set(coming)
    places = {key.removesuffix("/") for key in new}
    directories = {directory.removesuffix("/") for key in new for directory in enclosing(key)}

    def is_in_the_way(key: str) -> bool:
        path = key.removesuffix("/")
        above = {directory.removesuffix("/") for directory in enclosing(key)}
        return path in directories or not places.isdisjoint({path, *above})

    return {key for key in present if key not in new and is_in_the_way(key)}


def without_implied(keys: Iterable[str]) -> set[str]:
    """Return the keys without the markers of directories that hold something anyway."""
    kept = set(keys)
    return kept.difference(directory for key in kept for directory in enclosing(key))
