"""The state behind `MemoryStore`: files, tags and modification times, without any policy."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import Counter
from dataclasses import dataclass

from triton_deploy_core.clock import Clock
from triton_deploy_core.errors import StoreAccessError
from triton_deploy_core.keys import enclosing, is_marker

_TICK = 1e-6


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A file or directory marker: its bytes, its tag, when it was put there."""

    data: bytes
    etag: str
    modified: float


class MemoryFiles:
    """Files by key. A directory has a modification time too, as it has on a file system.

    Hold `lock` around what must not be torn apart.

    Args:
        clock: where modification times come from.
        tags_of_content: see `Capabilities.tags_of_content`.
    """

    def __init__(self, clock: Clock, *, tags_of_content: bool = False) -> None:
        self._tags_of_content = tags_of_content
        self.lock = threading.RLock()
        self.exists = True
        self._clock = clock
        self._files: dict[str, MemoryFile] = {}
        self._inside: Counter[str] = Counter()
        self._times: dict[str, float] = {}
        self._tags = itertools.count(1)
        self._last = 0.0

    def get(self, key: str) -> MemoryFile | None:
        """Return a file, None where there is none."""
        with self.lock:
            return self._files.get(key)

    def sorted(self) -> list[tuple[str, MemoryFile]]:
        """Return all files and markers in the order of their keys."""
        with self.lock:
            return sorted(self._files.items())

    def put(self, key: str, data: bytes) -> str:
        """Put or replace a file and return its tag. A marker of a used directory changes nothing.

        Raises:
            StoreAccessError: a file stands where a directory should be, or the reverse.
        """
        with self.lock:
            if self._inside[key]:
                return ""
            self._refuse_conflict(key)
            for directory in enclosing(key):
                if directory in self._files:
                    self._forget(directory)
            now = self._now()
            if key not in self._files:
                self._inside.update(enclosing(key))
            self._files[key] = MemoryFile(data, self._tag(data), now)
            self._touch(key, now)
            return self._files[key].etag

    def remove(self, key: str) -> bool:
        """Remove a file or marker and tell whether there was one."""
        with self.lock:
            if key not in self._files:
                return False
            self._forget(key)
            self._touch(key, self._now())
            return True

    def modified(self, prefix: str) -> float:
        """Return the newest modification time under a prefix, 0.0 where nothing is."""
        with self.lock:
            times = [file.modified for key, file in self._files.items() if key.startswith(prefix)]
            times += [at for key, at in self._times.items() if key.startswith(prefix)]
            return max(times, default=0.0)

    def age(self, key: str) -> float | None:
        """Return how many seconds ago a file was put, None where there is none."""
        with self.lock:
            file = self._files.get(key)
            return None if file is None else max(0.0, self._clock.now() - file.modified)

    def _tag(self, data: bytes) -> str:
        if self._tags_of_content:
            return hashlib.sha256(data).hexdigest()
        return f"tag-{next(self._tags)}"

    def _refuse_conflict(self, key: str) -> None:
        path = key.removesuffix("/")
        files = [directory.removesuffix("/") for directory in enclosing(path + "/.")]
        for file in files if is_marker(key) else files[1:]:
            if file in self._files:
                raise StoreAccessError(
                    f"cannot write {key}: {file} is a file, not a directory; remove it first"
                )
        if not is_marker(key) and (self._inside[path + "/"] or path + "/" in self._files):
            raise StoreAccessError(f"cannot write {key}: it is a directory; remove it first")

    def _now(self) -> float:
        # Two changes never share a time, whatever the clock: nor do they on a file system.
        self._last = max(self._clock.now(), self._last + _TICK)
        return self._last

    def _forget(self, key: str) -> None:
        del self._files[key]
        self._times.pop(key, None)
        for directory in enclosing(key):
            self._inside[directory] -= 1
            if not self._inside[directory]:
                del self._inside[directory]
                self._times.pop(directory, None)

    def _touch(self, key: str, now: float) -> None:
        """Note when an entry came or went: in its directory, and where that came or went too."""
        if is_marker(key) and key in self._files:
            self._times[key] = now
        for directory in enclosing(key):
            existed = directory in self._times
            if self._inside[directory]:
                self._times[directory] = now
            if existed:
                break
