"""Laws of `read` and of tags."""

from __future__ import annotations

from itertools import pairwise

import pytest

from triton_deploy_core.errors import BlobNotFoundError, StoreError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import BlobStore, Content, Transfer
from triton_deploy_core.small_files import MAX_SMALL_FILE_BYTES
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import StoreLaws, seed, state


class ReadingLaws(StoreLaws):
    """What reading a file gives, and what its tag says."""

    @pytest.mark.parametrize("data", [b"", b"\0", b"text\r\n", bytes(range(256)) * 300])
    def test_a_file_is_read_whole(
        self, harness: StoreHarness, store: BlobStore, data: bytes
    ) -> None:
        """No byte is changed on the way."""
        seed(harness, "iris/config.pbtxt", data=data)
        assert store.read("iris/config.pbtxt").data == data

    @pytest.mark.parametrize(
        "key", ["no", "iris/no", "no/no", "iris", "iris/", "iris/1", "iris/1/", "iris/f/below", "i"]
    )
    def test_what_is_no_file_is_not_found(
        self, harness: StoreHarness, store: BlobStore, key: str
    ) -> None:
        """Neither a directory, nor a marker, nor what lies behind a file."""
        before = seed(harness, "iris/1/", "iris/f")
        with pytest.raises(BlobNotFoundError, match=r".+") as raised:
            store.read(key)
        assert "\n" not in str(raised.value)
        assert state(harness) == before

    def test_a_file_that_is_too_large_is_refused(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Before all of it is in memory: whoever can write there could fill that."""
        harness.raw_write("iris/mlflow-meta.json", bytes(MAX_SMALL_FILE_BYTES + 1))
        with pytest.raises(StoreError, match="bytes, more than"):
            store.read("iris/mlflow-meta.json")

    def test_the_tag_is_the_same_however_it_is_learned(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """`write`, `list` and `read` agree, and so does a second instance."""
        tag = store.write("iris/config.pbtxt", b"x")
        assert store.read("iris/config.pbtxt").etag == tag
        assert [blob.etag for blob in store.list("iris/")] == [tag]
        assert harness.another().read("iris/config.pbtxt").etag == tag

    def test_the_tag_stays_while_the_content_does(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Other files do not matter to it."""
        seed(harness, "iris/a", "iris/b")
        tag = store.read("iris/a").etag
        store.write("iris/b", b"new")
        store.write("iris/c", b"new")
        store.delete(["iris/b"])
        assert store.read("iris/a").etag == tag

    def test_the_tag_differs_after_every_replacement(self, store: BlobStore) -> None:
        """By `write` or `transfer`, of the same size, and however fast one follows another."""
        tags = [store.write("iris/f", data) for data in [b"1", b"2"] * 40]
        for data in [b"3", b"4"] * 10:
            store.transfer([Transfer("iris/f", Content(data))], NoProgress())
            tags.append(store.read("iris/f").etag)
        assert all(one != other for one, other in pairwise(tags))
        contents = {tag: number % 2 for number, tag in enumerate(tags)}
        assert all(contents[tag] == number % 2 for number, tag in enumerate(tags))

    def test_somebody_elses_replacement_changes_the_tag(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """The tag is of the content, not of what this instance did."""
        seed(harness, "iris/f", data=b"one")
        tag = store.read("iris/f").etag
        seed(harness, "iris/f", data=b"another")
        assert store.read("iris/f").etag != tag
