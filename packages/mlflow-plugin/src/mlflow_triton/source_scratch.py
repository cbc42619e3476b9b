"""The one temporary directory for what has to be downloaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REMOVE_ATTEMPTS = 5


class Scratch:
    """One temporary directory for everything that is downloaded, made when first needed."""

    def __init__(self) -> None:
        self._root: Path | None = None

    def directory(self, name: str) -> Path:
        """Return a new directory inside the scratch directory."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="mlflow-triton-"))
        path = self._root / name
        path.mkdir()
        return path

    def remove(self) -> None:
        """Remove the directory with all that is in it."""
        # A download that was broken off may still be writing its last file.
        for _ in range(_REMOVE_ATTEMPTS):
            if self._root is None or not self._root.exists():
                return
            shutil.rmtree(self._root, ignore_errors=True)


@contextmanager
def scratch_directory() -> Iterator[Scratch]:
    """Give out a `Scratch` and remove it however the block ends."""
    scratch = Scratch()
    try:
        yield scratch
    finally:
        scratch.remove()
