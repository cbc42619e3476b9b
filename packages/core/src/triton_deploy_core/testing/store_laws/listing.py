"""Laws of `list` and `directories`."""

from __future__ import annotations

import pytest

from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import BAD_KEYS, StoreLaws, keys, seed, state


class ListingLaws(StoreLaws):
    """What a listing finds, and in which order."""

    def test_nothing_is_found_in_an_empty_repository(self, store: BlobStore) -> None:
        """No file, no directory, not even one of the store's own."""
        assert list(store.list("")) == []
        assert list(store.directories()) == []

    def test_files_are_listed_with_key_and_size(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Every file under the prefix, with its size in bytes."""
        seed(harness, "iris/config.pbtxt", data=b"12345")
        seed(harness, "iris/1/model.onnx", "other/1/model.onnx", data=b"")
        assert [(blob.key, blob.size) for blob in store.list("iris/")] == [
            ("iris/1/model.onnx", 0),
            ("iris/config.pbtxt", 5),
        ]

    def test_the_order_is_that_of_the_keys(self, harness: StoreHarness, store: BlobStore) -> None:
        """Keys are compared as they are: ``a.b`` and ``a-b`` come before ``a/b``, ``a0`` after."""
        names = ["a/b", "a.b", "a-b", "a0", "a/1/z", "a/10/z", "a/2/z", "a/1.txt", "B", "é", ".h"]
        seed(harness, *names)
        assert keys(store) == sorted(names)

    def test_a_prefix_is_a_plain_string(self, harness: StoreHarness, store: BlobStore) -> None:
        """``iris`` finds ``iris2`` too, ``iris/`` does not."""
        seed(harness, "iris/1/m", "iris/10/m", "iris2/1/m", "iris.txt", "ir", "xiris/1/m")
        assert keys(store, "iris") == ["iris.txt", "iris/1/m", "iris/10/m", "iris2/1/m"]
        assert keys(store, "iris/") == ["iris/1/m", "iris/10/m"]
        assert keys(store, "iris/1") == ["iris/1/m", "iris/10/m"]
        assert keys(store, "iris/1/") == ["iris/1/m"]
        assert keys(store, "iris/1/m") == ["iris/1/m"]
        assert keys(store, "iris/1/m/") == []

    @pytest.mark.parametrize("prefix", [key for key in BAD_KEYS if key] + ["no", "no/such"])
    def test_a_prefix_that_nothing_has_finds_nothing(
        self, harness: StoreHarness, store: BlobStore, prefix: str
    ) -> None:
        """Nor does it lead out of the repository."""
        seed(harness, "iris/1/m")
        found = keys(store, prefix)
        assert found == [key for key in ["iris/1/m"] if key.startswith(prefix)]

    def test_an_empty_directory_is_listed_as_a_marker(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """An ensemble's version directory has no file, and is there."""
        seed(harness, "ensemble/1/", "ensemble/config.pbtxt", "bare/")
        assert keys(store) == ["bare/", "ensemble/1/", "ensemble/config.pbtxt"]
        assert keys(store, "ensemble/1/") == ["ensemble/1/"]
        assert keys(store, "ensemble/1") == ["ensemble/1/"]
        assert [blob.size for blob in store.list("ensemble/1/")] == [0]

    def test_a_directory_with_files_needs_no_marker(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Whether its marker is listed is left open; its files are."""
        seed(harness, "iris/1/", "iris/1/m")
        assert [key for key in keys(store) if not key.endswith("/")] == ["iris/1/m"]

    def test_directories_are_those_in_the_root(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Whoever made them, hidden or empty; files in the root are none."""
        seed(harness, "iris/1/m", "iris/config.pbtxt", "iris2/1/m", ".hidden/x", "bare/", ".f", "f")
        found = list(store.directories())
        assert sorted(found) == [".hidden", "bare", "iris", "iris2"]

    def test_many_files_are_all_listed(self, harness: StoreHarness, store: BlobStore) -> None:
        """A service gives its listings in pages: none is lost between two of them."""
        names = sorted(f"iris/1/{number:05}" for number in range(self.many))
        seed(harness, "iris2/1/m", *names)
        assert keys(store, "iris/") == names
        assert sorted(store.directories()) == ["iris", "iris2"]

    def test_a_listing_changes_nothing(self, harness: StoreHarness, store: BlobStore) -> None:
        """Byte for byte."""
        before = seed(harness, "iris/1/m", "ensemble/1/", ".f")
        keys(store)
        list(store.directories())
        store.check()
        assert state(harness) == before
