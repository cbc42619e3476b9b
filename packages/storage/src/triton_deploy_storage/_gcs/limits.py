"""How much a GCS store does at once, and for how long it tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are in bytes.

    Attributes:
        whole: larger files go up in chunks, by a resumable upload; the library's own limit.
        chunk: the size of these chunks, a multiple of 256 KiB. Each is a request of its own.
        large_at_once: how many such files go up at once, each with a chunk in memory.
        workers: other requests at once.
        page: objects in one answer to a listing; the service gives 1000 at most.
        patience_seconds: for how long a request that fails by a transient fault is repeated.
        first_pause_seconds: at most so long, by chance, before it is repeated first; twice as
            long each time.
        longest_pause_seconds: but no longer than this.
    """

    whole: int = 8 << 20
    chunk: int = 16 << 20
    large_at_once: int = 4
    workers: int = 16
    page: int = 1000
    patience_seconds: float = 60.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 8.0
