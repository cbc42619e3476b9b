"""Laws of `delete`."""

from __future__ import annotations

from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import StoreLaws, keys, seed, state


class DeletingLaws(StoreLaws):
    """What a delete removes, and what it leaves."""

    def test_just_these_files_go(self, harness: StoreHarness, store: BlobStore) -> None:
        """Neighbours whose names begin alike stay."""
        before = seed(harness, "iris/1/m", "iris/1/m2", "iris/10/m", "iris2/1/m", "iris.txt")
        store.delete(["iris/1/m"])
        del before["iris/1/m"]
        assert state(harness) == before

    def test_a_whole_directory_goes_with_what_is_listed_in_it(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Markers and hidden files among it; nothing of it is left, not even a directory."""
        seed(harness, "iris/1/m", "iris/2/", "iris/.hidden/x", "iris/config.pbtxt", "iris2/1/m")
        store.delete(keys(store, "iris/"))
        assert state(harness) == {"iris2/1/m": b"old"}
        assert list(store.directories()) == ["iris2"]

    def test_the_keys_may_come_from_a_listing_that_goes_on(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """What is deleted meanwhile does not disturb it."""
        names = [f"iris/{number % 3}/{number}" for number in range(self.many)]
        seed(harness, "iris2/1/m", *names)
        store.delete(blob.key for blob in store.list("iris/"))
        assert state(harness) == {"iris2/1/m": b"old"}

    def test_what_is_not_there_is_no_error(self, harness: StoreHarness, store: BlobStore) -> None:
        """A directory is no file, a file no directory; both stay."""
        before = seed(harness, "iris/1/m", "ensemble/1/", "f")
        store.delete(
            ["no", "no/no", "no/", "iris", "iris/1", "iris/", "iris/1/", "iris/1/m/", "iris/1/m/x"]
        )
        store.delete(["ensemble", "ensemble/1", "ensemble/1/no", "ensemble/", "f/", "f/x"])
        store.delete([])
        assert state(harness) == before

    def test_deleting_twice_is_no_error(self, harness: StoreHarness, store: BlobStore) -> None:
        """In one call or two."""
        before = seed(harness, "iris/f", "other/f")
        store.delete(["iris/f", "iris/f"])
        store.delete(["iris/f"])
        del before["iris/f"]
        assert state(harness) == before

    def test_a_directory_goes_with_its_last_file(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """And so do those around it, as far as they are empty; not the root."""
        seed(harness, "a/b/c/f", "a/b/g")
        store.delete(["a/b/c/f"])
        assert state(harness) == {"a/b/g": b"old"}
        store.delete(["a/b/g"])
        assert state(harness) == {}
        assert list(store.list("")) == []
        store.check()

    def test_a_neighbours_empty_directory_stays(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Empty is not the same as left over."""
        seed(harness, "ensemble/1/", "ensemble/2/", "ensemble/config.pbtxt", "bare/")
        store.delete(["ensemble/config.pbtxt", "ensemble/2/"])
        assert state(harness) == {"ensemble/1/": b"", "bare/": b""}
        store.delete(["ensemble/1/"])
        assert state(harness) == {"bare/": b""}
