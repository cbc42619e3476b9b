"""Copies a source into an open file, in pieces."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.shown import shown
from triton_deploy_storage._local.os_errors import FULL
from triton_deploy_storage._local.staging import write_all

_PIECE = 8 << 20


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is open for reading, of a size that it must still have."""

    descriptor: int
    path: str
    size: int

    @property
    def mode(self) -> int:
        """The permissions of its copy: executable if it is."""
        return 0o777 if os.fstat(self.descriptor).st_mode & stat.S_IXUSR else 0o666

    def copy_to(self, target: int, advance: Callable[[int], None]) -> None:
        """Copy everything into an open file, and tell of each piece.

        Raises:
            ModelSourceError: it can't be read, or its size is not what it was.
            OSError: the target can't be written.
        """
        done = self._copy_in_kernel(target, advance)
        while piece := self._read():
            done += len(piece)
            if done > self.size:
                break
            write_all(target, piece)
            advance(len(piece))
        if done != self.size:
            raise self.changed()

    def changed(self) -> ModelSourceError:
        """Return the error that says that the size is not what it was."""
        return ModelSourceError(
            f"{shown(self.path)} was {self.size} bytes long and is not now: it changed while it "
            "was copied; try again when nobody writes it"
        )

    def _copy_in_kernel(self, target: int, advance: Callable[[int], None]) -> int:
        """Copy as far as the system does so by itself (some only share the blocks)."""
        done = 0
        with suppress(AttributeError):  # no such call outside Linux
            while done < self.size:
                count = min(_PIECE, self.size - done)
                try:
                    copied = os.copy_file_range(self.descriptor, target, count)
                except OSError as error:
                    if error.errno in FULL:
                        raise
                    break  # between these two files it can't be done: reading says what is wrong
                if not copied:
                    break
                done += copied
                advance(copied)
        return done

    def _read(self) -> bytes:
        try:
            return os.read(self.descriptor, _PIECE)
        except OSError as error:
            raise _unreadable(self.path, error) from error


@contextmanager
def open_file(path: str, size: int) -> Iterator[OpenFile]:
    """Open a file to copy from.

    Raises:
        ModelSourceError: it can't be read, is no file, or has another size.
    """
    try:
        # Opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        source = OpenFile(descriptor, path, size)
        if not stat.S_ISREG(status.st_mode):
            raise ModelSourceError(f"{shown(path)} is not a file: name the model's files only")
        if status.st_size != size:
            raise source.changed()
        yield source
    finally:
        os.close(descriptor)


def _unreadable(path: str, error: OSError | ValueError) -> ModelSourceError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ModelSourceError(f"cannot read {shown(path)}: {reason}; check the path and permissions")
