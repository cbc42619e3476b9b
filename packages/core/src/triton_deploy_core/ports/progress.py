"""The port through which long operations tell how far they are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of steps and bytes. May be called from several threads.

    Only `advance` may raise, and nothing but a `DeployError`: the transfer ends with it.
    """

    def step(self, text: str) -> None:
        """Take note that a new step begins, such as ``uploading 3 files``."""
        ...

    def total(self, size: int) -> None:
        """Take note that the transfer that begins now has so many bytes in all."""
        ...

    def advance(self, size: int) -> None:
        """Take note that so many more bytes are done."""
        ...


class NoProgress:
    """Keeps it to itself."""

    def step(self, text: str) -> None:
        """See `Progress.step`."""

    def total(self, size: int) -> None:
        """See `Progress.total`."""

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
