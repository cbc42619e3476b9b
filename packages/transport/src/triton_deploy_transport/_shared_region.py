"""Memory that a server on the same machine can share: POSIX shared memory, as Linux has it.

Its name is there for as long as it takes the server to open it, which is when no page of it is
in use: whatever happens to this process, ``/dev/shm`` keeps no more than an empty name. Names say
which process they are of, so that those of dead ones can be told.
"""

from __future__ import annotations

import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from triton_deploy_core.process_identity import is_known_dead, process_identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIRECTORY = Path("/dev/shm")  # noqa: S108 (where shm_open(3) looks)
_PREFIX = "triton-deploy."
_TOKEN_BYTES = 16
PAGE = mmap.PAGESIZE
"""Bytes of which a region has a whole number."""


class Region:
    """A piece of shared memory. Nobody else can guess its name or open it, but the same user.

    Attributes:
        name: in ``/dev/shm``, and on the server.
        size: in bytes.
        memory: its bytes. Not to be touched before `reserve`.

    Raises:
        OSError: the system has no shared memory, or lets this process make none.
    """

    def __init__(self, size: int) -> None:
        identity = process_identity()
        if not identity:
            raise OSError("the system does not say which process this is")
        token = secrets.token_hex(_TOKEN_BYTES)
        self.name = f"{_PREFIX}{identity.replace('/', '.')}.{token}"
        self.size = size
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
        try:
            os.ftruncate(self._file, size)
            self.memory: NDArray[np.uint8] = np.frombuffer(mmap.mmap(self._file, size), np.uint8)
        except BaseException:
            self.hide()
            os.close(self._file)
            raise

    @property
    def key(self) -> str:
        """What ``shm_open`` takes."""
        return f"/{self.name}"

    def hide(self) -> None:
        """Take the name away: those who have it open keep it, nobody else gets it."""
        self._path.unlink(missing_ok=True)

    def reserve(self) -> None:
        """Get the memory, without which touching it would end this process, or the server.

        Raises:
            OSError: there is not so much.
        """
        os.posix_fallocate(self._file, 0, self.size)

    def close(self) -> None:
        """Let go: the memory is free once the server has let go, too."""
        self.hide()
        os.close(self._file)
        self.memory = np.empty(0, np.uint8)

    @property
    def _path(self) -> Path:
        return _DIRECTORY / self.name


def is_abandoned(name: str) -> bool:
    """Tell whether this is a name of a region whose process is surely gone."""
    if not name.startswith(_PREFIX):
        return False
    identity, _, _ = name.removeprefix(_PREFIX).rpartition(".")
    return is_known_dead(identity.replace(".", "/"))


def remove_abandoned_names() -> None:
    """Remove what processes that were killed have left in ``/dev/shm``."""
    with suppress(OSError):
        for path in _DIRECTORY.glob(f"{_PREFIX}*"):
            if is_abandoned(path.name):
                with suppress(OSError):
                    path.unlink()
