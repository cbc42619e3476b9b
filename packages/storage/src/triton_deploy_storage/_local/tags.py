"""The tag of a file's content, from what the file system knows of it without reading it."""

from __future__ import annotations

import os


def tag_of(status: os.stat_result) -> str:
    """Return the same tag for as long as nobody replaces the content.

    The store never changes a file in place and stamps each one with the time to the nanosecond
    (see `staging`), so two contents share a tag neither by a coarse clock nor by an inode that
    is used again.
    """
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
