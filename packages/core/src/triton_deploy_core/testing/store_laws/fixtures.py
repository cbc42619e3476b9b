"""What every module of laws works with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.store_harness import StoreHarness, visible

BAD_KEYS = (
    "",
    "/",
    "/etc/passwd",
    "..",
    "../outside",
    "iris/../../outside",
    "iris/..",
    ".",
    "./iris",
    "iris/./1",
    "iris//1",
    "iris//",
    "iris/\0",
    "\0",
    "iris/\ud800",
)
"""Texts that are no keys."""

ODD_SEGMENTS = (
    ".hidden",
    "...",
    "a b",
    "back\\slash",
    "tilde~",
    "-dash",
    "_",
    "0",
    "é",
    "模型",
    "%2e%2e",
    "a+b&c=d?e#f",
    "line\nbreak",
    "*",
    "UPPER",
    "'quote\"",
)
"""Parts of keys that somebody may take for something special, and that are not."""


@dataclass(slots=True)
class RecordedProgress:
    """Keeps what it was told."""

    totals: list[int] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)

    def step(self, text: str) -> None:
        """See `Progress.step`."""

    def total(self, size: int) -> None:
        """See `Progress.total`."""
        self.totals.append(size)

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
        self.pieces.append(size)


class LateProgress(RecordedProgress):
    """Raises at the first piece, as one does whose time is over."""

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
        raise StoreUnavailableError(f"too late for these {size} bytes")


class StoreLaws:
    """Base of the laws: an adapter overrides `make_harness`, as `store_contract` shows.

    Attributes:
        odd_segments: fewer, for a service that can't have some of them in its keys.
        many: how many files "many" are.
    """

    odd_segments: tuple[str, ...] = ODD_SEGMENTS
    many: int = 2000

    def make_harness(self, tmp_path: Any) -> StoreHarness:
        """Return a harness around an empty repository; `tmp_path` is pytest's."""
        raise NotImplementedError

    @pytest.fixture
    def harness(self, tmp_path: Any) -> Iterator[StoreHarness]:
        """An empty repository."""
        harness = self.make_harness(tmp_path)
        yield harness
        harness.close()

    @pytest.fixture
    def store(self, harness: StoreHarness) -> BlobStore:
        """The store in it."""
        return harness.store


def seed(harness: StoreHarness, *keys: str, data: bytes = b"old") -> dict[str, bytes]:
    """Put files around the adapter, markers with no content; return all that is there now."""
    for key in keys:
        harness.raw_write(key, b"" if key.endswith("/") else data)
    return state(harness)


def state(harness: StoreHarness) -> dict[str, bytes]:
    """Return all that is there, but for markers that mean nothing."""
    return visible(harness.raw_snapshot())


def keys(store: BlobStore, prefix: str = "") -> list[str]:
    """Return the keys that a listing yields."""
    return [blob.key for blob in store.list(prefix)]
