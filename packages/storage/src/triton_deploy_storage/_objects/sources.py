"""Reads the bytes of a source on this machine, a part at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import Content, LocalFile
from triton_deploy_core.shown import shown


@dataclass(frozen=True, slots=True)
class OpenSource:
    """Bytes that can be read from any offset, by several threads."""

    source: LocalFile | Content
    descriptor: int = -1

    def read(self, offset: int, length: int) -> bytes:
        """Return just so many bytes.

        Raises:
            ModelSourceError: there are fewer by now, or they can't be read.
        """
        if isinstance(self.source, Content):
            return self.source.data[offset : offset + length]
        pieces = []
        while length:
            try:
                piece = os.pread(self.descriptor, length, offset)
            except OSError as error:
                raise _unreadable(self.source, error) from error
            if not piece:
                raise changed(self.source)
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def require_unchanged(self) -> None:
        """See that the size is what it was.

        Raises:
            ModelSourceError: it is not.
        """
        if isinstance(self.source, LocalFile):
            status = os.fstat(self.descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelSourceError(
                    f"{shown(str(self.source.path))} is not a file: name the model's files only"
                )
            if status.st_size != self.source.size:
                raise changed(self.source)


@contextmanager
def opened(source: LocalFile | Content) -> Iterator[OpenSource]:
    """Open a source.

    Raises:
        ModelSourceError: it can't be read, is no file, or has another size.
    """
    if isinstance(source, Content):
        yield OpenSource(source)
        return
    try:
        # Opening a named pipe would wait for its writer.
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from error
    try:
        found = OpenSource(source, descriptor)
        found.require_unchanged()
        yield found
    finally:
        os.close(descriptor)


def changed(source: LocalFile) -> ModelSourceError:
    """Return the error that says that the size is not what it was."""
    return ModelSourceError(
        f"{shown(str(source.path))} was {source.size} bytes long and is not now: it changed while "
        "it was copied; try again when nobody writes it"
    )


def _unreadable(source: LocalFile, error: OSError | ValueError) -> ModelSourceError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ModelSourceError(
        f"cannot read {shown(str(source.path))}: {reason}; check path and permissions"
    )
