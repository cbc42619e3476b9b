"""Walks the repository in the order of the keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from triton_deploy_core.errors import StoreAccessError
from triton_deploy_core.keys import check_key, enclosing, is_marker
from triton_deploy_core.ports.store import Blob
from triton_deploy_storage._local.paths import LOCK_FILE, STAGED, reading_path
from triton_deploy_storage._local.tags import tag_of


def directories(root: str) -> Iterator[str]:
    """Yield the names of the directories in the root, links to directories among them."""
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) or (
                entry.is_symlink() and os.path.isdir(entry.path)
            ):
                yield entry.name


def walk(root: str, prefix: str, unfinished: set[str]) -> Iterator[Blob]:
    """Yield the files and the empty directories whose key starts with `prefix`, ordered by key.

    A symbolic link to a directory is a file here: what is behind it belongs to somebody else.

    Args:
        root: the repository's directory.
        prefix: of the keys.
        unfinished: gets the paths of directories in which files in the making lie.
    """
    base = prefix[: prefix.rfind("/") + 1]
    if not _can_be_listed(root, base):
        return
    pending = [key for key in _children(root, base, unfinished) if key.startswith(prefix)]
    if prefix == base and base and not pending:
        pending = [base] if os.path.isdir(os.path.join(root, base)) else []
    pending.reverse()
    while pending:
        key = pending.pop()
        inside = _children(root, key, unfinished) if is_marker(key) else []
        if inside:
            pending.extend(reversed(inside))
        else:
            yield from _blob(root, key)


def _can_be_listed(root: str, base: str) -> bool:
    try:
        check_key(base or "any")
    except ValueError:
        return False
    links = [base, *enclosing(base)] if base else []
    return not any(os.path.islink(os.path.join(root, link.removesuffix("/"))) for link in links)


def _children(root: str, directory: str, unfinished: set[str]) -> list[str]:
    """Return the keys right in a directory, ordered; those of directories are markers."""
    try:
        with os.scandir(os.path.join(root, directory)) as entries:
            keys = []
            for entry in entries:
                if STAGED.fullmatch(entry.name):
                    unfinished.add(os.path.join(root, directory))
                    continue
                is_directory = entry.is_dir(follow_symlinks=False)
                keys.append(directory + entry.name + ("/" if is_directory else ""))
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.isdir(root):
            raise
        return []
    return sorted(key for key in keys if key != LOCK_FILE)


def _blob(root: str, key: str) -> Iterator[Blob]:
    """Yield what is listed of a key, nothing if it has vanished since its directory was read."""
    path = os.path.join(root, key.removesuffix("/"))
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if is_marker(key):
        yield Blob(key, 0, tag_of(status))
        return
    if stat.S_ISLNK(status.st_mode):
        status = _linked(root, key) or status
    yield Blob(key, status.st_size, tag_of(status))


def _linked(root: str, key: str) -> os.stat_result | None:
    """Return the status of the file that a link leads to, if it may be read."""
    try:
        status = os.stat(reading_path(root, key))
    except (OSError, StoreAccessError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
