"""Puts bytes of this machine into a bucket; the service checks a CRC of all it gets."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from threading import Event

from google.api_core.exceptions import NotFound, PreconditionFailed

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.store import Content, LocalFile
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._objects.sources import OpenSource, opened

_CHECKSUM = "crc32c"
_ANY_TYPE = "application/octet-stream"
_FIELD = "triton-deploy-write"


class StoppedError(Exception):
    """Nobody waits for this any more: another file of the same transfer failed."""


def put_bytes(service: Service, key: str, data: bytes, generation: int | None = None) -> str:
    """Put a small file in one request and return its new generation.

    Args:
        service: the repository's.
        key: the file's.
        data: its content.
        generation: which one it must have until then; 0 for none at all, None for any.
    """
    blob = service.blob(key)
    mark = uuid.uuid4().hex
    if generation is not None:
        blob.metadata = {_FIELD: mark}
    try:
        blob.upload_from_string(
            data,
            content_type=_ANY_TYPE,
            if_generation_match=generation,
            checksum=_CHECKSUM,
            **service.options,
        )
    except PreconditionFailed:
        # Where the first answer was lost, the library's second request finds the work of the first.
        own = _written_with(service, key, mark)
        if own is None:
            raise
        return own
    return str(blob.generation)


def _written_with(service: Service, key: str, mark: str) -> str | None:
    """Return the generation of an object that bears the mark, None if it does not."""
    blob = service.blob(key)
    try:
        blob.reload(**service.options)
    except NotFound:
        return None
    return str(blob.generation) if (blob.metadata or {}).get(_FIELD) == mark else None


def put(
    service: Service,
    key: str,
    source: LocalFile | Content,
    advance: Callable[[int], None],
    stop: Event,
) -> None:
    """Put a file of any size, a large one in chunks of which one is in memory.

    Raises:
        ModelSourceError: the source can't be read, or changed its size while it was read.
        StoppedError: `stop` was set meanwhile.
    """
    with opened(source) as file:
        if source.size <= service.limits.whole:
            put_bytes(service, key, file.read(0, source.size))
            advance(source.size)
            return
        stream = _Stream(file, source.size, advance, stop)
        blob = service.blob(key)
        blob.chunk_size = service.limits.chunk
        try:
            blob.upload_from_file(
                stream,
                size=source.size,
                content_type=_ANY_TYPE,
                checksum=_CHECKSUM,
                **service.options,
            )
        except ValueError as error:  # the library's word for a service that kept half a chunk
            raise StoreUnavailableError(
                f"the service lost a part of {key}, which was on its way to bucket "
                f"{service.location.bucket}: try again"
            ) from error
        stream.arrived(source.size)


class _Stream:
    """A source as the library's resumable upload reads it: chunk after chunk, by position."""

    def __init__(
        self, file: OpenSource, size: int, advance: Callable[[int], None], stop: Event
    ) -> None:
        self._file = file
        self._size = size
        self._advance = advance
        self._stop = stop
        self._position = 0
        self._told = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        # The library seeks to where the service's copy ends, after a fault.
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = start[whence] + offset
        return self._position

    def read(self, length: int) -> bytes:
        """Return the next chunk; whoever asks for it has sent what is before it."""
        if self._stop.is_set():
            raise StoppedError
        self.arrived(self._position)
        length = min(length, self._size - self._position)
        data = self._file.read(self._position, length)
        self._position += length
        if self._position == self._size:
            self._file.require_unchanged()  # the object appears with its last chunk
        return data

    def arrived(self, position: int) -> None:
        """Tell of what has arrived, once, though some be sent again."""
        if position > self._told:
            self._advance(position - self._told)
            self._told = position
