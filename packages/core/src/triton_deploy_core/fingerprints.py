"""Fingerprints of files that come from outside: where two are equal, the bytes are.

A fingerprint says by its first word how it was made, so that no two kinds are ever equal:
``sha256:<hex>`` of bytes that are at hand, ``etag:<tag>:<size>`` of an object that nobody has to
fetch for that.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeAlias

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import Content, LocalFile, Source, StoredObject

_PIECE = 1 << 20
_FileState: TypeAlias = tuple[int, int, int, int]


class Fingerprints:
    """Takes fingerprints, each once: that of a large file takes a while."""

    def __init__(self) -> None:
        self._taken: dict[Source, str | None] = {}
        self._watched: dict[Source, _FileState | None] = {}

    def watch(self, source: Source) -> None:
        """Notice from now on if a file changes: whoever trains may write it at any moment."""
        if isinstance(source, LocalFile):
            self._watched.setdefault(source, _state_of(source.path))

    def is_as_watched(self, source: Source) -> bool:
        """Tell whether a source is what it was since one began to watch it."""
        if not isinstance(source, LocalFile):
            return True
        state = self._watched.get(source)
        return state is not None and state == _state_of(source.path)

    def of(self, source: Source) -> str | None:
        """Return the fingerprint of a source, None where only its transfer could tell.

        Raises:
            ModelSourceError: a file can't be read.
        """
        self.watch(source)
        if source not in self._taken:
            self._taken[source] = _fingerprint(source)
        return self._taken[source]


def _fingerprint(source: Source) -> str | None:
    match source:
        case Content(data):
            return f"sha256:{hashlib.sha256(data).hexdigest()}"
        case LocalFile(path):
            return f"sha256:{_digest_of_file(path)}"
        case StoredObject(_, size, etag) if etag:
            return f"etag:{etag}:{size}"
        case _:
            return None


def _digest_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise ModelSourceError(
            f"cannot read {path}: {error.strerror or error}; check the path and permissions"
        ) from error
    return digest.hexdigest()


def _state_of(path: Path) -> _FileState | None:
    """Return what differs once somebody has written the file or put another in its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
