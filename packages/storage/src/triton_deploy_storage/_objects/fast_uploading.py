"""Puts a source of this machine into a bucket by the fast lane."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from triton_deploy_core.ports.store import Content, LocalFile
from triton_deploy_storage._objects.sources import OpenSource, opened

if TYPE_CHECKING:
    from triton_deploy_storage._objects.fast_lane import FastLane


def put_fast(
    lane: FastLane,
    name: str,
    source: LocalFile | Content,
    *,
    parts: Sequence[tuple[int, int]],
    advance: Callable[[int], None],
    stopped: threading.Event,
) -> bool:
    """Put a source, in one request if it has one part or none; tell whether that was possible.

    Args:
        lane: puts it.
        name: the object's name in the bucket.
        source: read strictly, a part at a time.
        parts: the offset and the length of each; all but the last are as long as the first.
        advance: told of each part when it is under way.
        stopped: makes an upload in parts end, and its parts vanish.

    Raises:
        ModelSourceError: the source can't be read, or changed its size.
        CancelledError: it was stopped.
    """
    with opened(source) as file:
        if len(parts) > 1:
            return lane.put_parts(name, _read(file, parts, advance, stopped), parts[0][1])
        if not lane.put(name, file.read(0, source.size)):
            return False
    advance(source.size)
    return True


def _read(
    file: OpenSource,
    parts: Sequence[tuple[int, int]],
    advance: Callable[[int], None],
    stopped: threading.Event,
) -> Iterator[bytes]:
    for offset, length in parts:
        if stopped.is_set():
            raise CancelledError
        yield file.read(offset, length)
        advance(length)
    # As long as this raises, no object appears.
    file.require_unchanged()
