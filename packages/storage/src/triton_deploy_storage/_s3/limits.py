"""How much an S3 store does at once, and from which size on in several steps."""

from __future__ import annotations

from dataclasses import dataclass

_MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are in bytes. Memory does not grow with what is uploaded.

    Attributes:
        part: larger files go up in parts of this size; S3 takes none below 5 MiB but the last.
        whole_copy: larger objects are copied in parts; S3 copies no more than 5 GB in one.
        copy_part: the size of these parts.
        workers: objects at once.
        client_workers: of them, by boto3, which more threads than these make slower.
        parts_at_once: of one object.
        memory: how much of files is held at once; `part` times `parts_at_once` must fit in.
        keys_per_page: of a listing; S3 gives 1000 at most.
        keys_per_delete: S3 takes 1000 at most.
        deletes_at_once: requests to delete.
        attempts: how often boto3 makes a request that fails by a transient fault.
        lane_attempts: how often obstore does, before boto3 is asked instead.
        lane_pause_seconds: obstore waits at least so long before it makes one again.
    """

    part: int = 5 << 20
    whole_copy: int = 5_000_000_000
    copy_part: int = 512 << 20
    workers: int = 128
    client_workers: int = 24
    parts_at_once: int = 12
    memory: int = 128 << 20
    keys_per_page: int = 1000
    keys_per_delete: int = 1000
    deletes_at_once: int = 8
    attempts: int = 5
    lane_attempts: int = 4
    lane_pause_seconds: float = 0.1


def ranges(size: int, part: int) -> list[tuple[int, int]]:
    """Cut a size into parts, each its offset and its length: no more of them than S3 takes."""
    part = max(part, -(-size // _MAX_PARTS))
    return [(offset, min(part, size - offset)) for offset in range(0, size, part)]
