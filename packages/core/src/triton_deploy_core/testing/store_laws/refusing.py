"""Laws of what is refused: it raises what the port says, and touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from triton_deploy_core.errors import RepositoryNotFoundError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import BlobStore, Content, IfAbsent, LocalFile, Transfer
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import BAD_KEYS, StoreLaws, seed, state

_CALLS: dict[str, Callable[[BlobStore], object]] = {
    "check": lambda store: store.check(),
    "directories": lambda store: list(store.directories()),
    "list": lambda store: list(store.list("")),
    "list a directory": lambda store: list(store.list("iris/")),
    "read": lambda store: store.read("iris/f"),
    "read a file in the root": lambda store: store.read("f"),
    "write": lambda store: store.write("iris/f", b"x"),
    "write if absent": lambda store: store.write("f", b"x", condition=IfAbsent()),
    "transfer": lambda store: store.transfer([Transfer("iris/f", Content(b"x"))], NoProgress()),
    "transfer a marker": lambda store: store.transfer(
        [Transfer("iris/", Content(b""))], NoProgress()
    ),
    "delete": lambda store: store.delete(["iris/f"]),
}


class RefusingLaws(StoreLaws):
    """Bad keys, missing repositories, things in the way."""

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_what_is_no_key_is_a_value_error(
        self, harness: StoreHarness, store: BlobStore, key: str
    ) -> None:
        """Before anything is touched: a good key beside it is not served either."""
        before = seed(harness, "iris/f")
        transfers = [Transfer("iris/f", Content(b"new")), Transfer(key, Content(b"new"))]
        with pytest.raises(ValueError):
            store.read(key)
        with pytest.raises(ValueError):
            store.write(key, b"new")
        with pytest.raises(ValueError):
            store.transfer(transfers, NoProgress())
        with pytest.raises(ValueError):
            store.delete(["iris/f", key])
        assert state(harness) == before

    def test_a_marker_has_no_content(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """It is not written, and transferred only as nothing."""
        (tmp_path / "f").write_bytes(b"")
        with pytest.raises(ValueError):
            store.write("iris/1/", b"")
        for source in (Content(b"x"), LocalFile(tmp_path / "f", 0)):
            with pytest.raises(ValueError):
                store.transfer([Transfer("iris/1/", source)], NoProgress())
        assert state(harness) == {}

    @pytest.mark.parametrize("call", _CALLS)
    def test_a_missing_repository_is_said_to_be_missing(
        self, harness: StoreHarness, call: str
    ) -> None:
        """By every method, each time, and it is not made by the way."""
        missing = harness.missing()
        for _ in range(2):
            with pytest.raises(RepositoryNotFoundError) as raised:
                _CALLS[call](missing)
            assert "\n" not in str(raised.value)

    def test_a_repository_that_exists_passes_the_check(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """However often."""
        before = seed(harness, "iris/1/m")
        store.check()
        harness.another().check()
        assert state(harness) == before

    def test_the_store_says_what_it_is(self, harness: StoreHarness, store: BlobStore) -> None:
        """Its location is what its user wrote; its capabilities do not change."""
        assert store.location
        assert store.capabilities == harness.another().capabilities
        assert store.capabilities.conditional_writes
