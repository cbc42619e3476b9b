"""Laws of `write`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from triton_deploy_core.errors import PreconditionFailedError
from triton_deploy_core.ports.store import BlobStore, IfAbsent, IfUnchanged
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import StoreLaws, keys, seed, state

_THREADS = 8


class WritingLaws(StoreLaws):
    """What a write does, and when it must not."""

    @pytest.mark.parametrize("key", [".iris.lock", "file", "iris/config.pbtxt", "a/b/c/d/e/f"])
    def test_a_write_makes_just_that_file(
        self, harness: StoreHarness, store: BlobStore, key: str
    ) -> None:
        """In the root or deep below, the directories around it included."""
        before = seed(harness, "other/1/m", "iris2/f")
        store.write(key, b"new")
        assert state(harness) == {**before, key: b"new"}

    def test_a_write_replaces(self, harness: StoreHarness, store: BlobStore) -> None:
        """A longer content by a shorter one, too."""
        before = seed(harness, "iris/f", "iris/g", data=b"a long old content")
        store.write("iris/f", b"new")
        assert state(harness) == {**before, "iris/f": b"new"}

    def test_every_character_can_be_in_a_key(self, harness: StoreHarness, store: BlobStore) -> None:
        """A backslash separates nothing, a percent sign quotes nothing, a dot hides nothing."""
        expected = {f"{part}/{part}": part.encode() for part in self.odd_segments}
        for key, data in expected.items():
            store.write(key, data)
        assert state(harness) == expected
        assert keys(store) == sorted(expected)
        assert {key: store.read(key).data for key in expected} == expected
        store.delete(expected)
        assert state(harness) == {}

    def test_a_long_name_can_be_written(self, harness: StoreHarness, store: BlobStore) -> None:
        """255 bytes are a name; nothing that the store makes in between is longer than it."""
        key = f"{'n' * 255}/{'f' * 255}"
        store.write(key, b"new")
        assert state(harness) == {key: b"new"}

    def test_only_if_absent_writes_where_nothing_is(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """And returns the tag of what it wrote."""
        tag = store.write("iris/f", b"new", condition=IfAbsent())
        assert state(harness) == {"iris/f": b"new"}
        assert store.read("iris/f").etag == tag

    def test_only_if_absent_leaves_what_is_there(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Even the same content."""
        before = seed(harness, "iris/f")
        for data in (b"new", b"old"):
            with pytest.raises(PreconditionFailedError):
                store.write("iris/f", data, condition=IfAbsent())
        assert state(harness) == before

    def test_only_if_unchanged_writes_over_what_was_read(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """A chain of reads and writes succeeds all along."""
        seed(harness, "iris/f")
        tag = store.read("iris/f").etag
        for number in range(5):
            tag = store.write("iris/f", b"%d" % number, condition=IfUnchanged(tag))
        assert state(harness) == {"iris/f": b"4"}

    def test_only_if_unchanged_leaves_what_was_replaced(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Though the content be the same again, unless the tag is of the content alone."""
        seed(harness, "iris/f")
        tag = store.read("iris/f").etag
        store.write("iris/f", b"new")
        with pytest.raises(PreconditionFailedError):
            store.write("iris/f", b"mine", condition=IfUnchanged(tag))
        store.write("iris/f", b"old")
        if store.capabilities.tags_of_content:
            assert store.read("iris/f").etag == tag
            return
        with pytest.raises(PreconditionFailedError):
            store.write("iris/f", b"mine", condition=IfUnchanged(tag))
        assert state(harness) == {"iris/f": b"old"}

    def test_only_if_unchanged_does_not_bring_back_what_is_gone(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Nor does a refused write leave a directory."""
        tag = store.write("iris/f", b"old")
        store.delete(["iris/f"])
        for key in ("iris/f", "other/f"):
            with pytest.raises(PreconditionFailedError):
                store.write(key, b"mine", condition=IfUnchanged(tag))
        assert state(harness) == {}

    def test_of_racing_creators_one_wins(self, harness: StoreHarness, store: BlobStore) -> None:
        """The others are told, and what the winner wrote is there whole."""
        for turn in range(5):
            key = f".{turn}.lock"
            won = _race(harness, store, key, IfAbsent(), turn)
            assert len(won) == 1
            assert store.read(key).data == won[0]

    def test_of_racing_replacers_one_wins(self, harness: StoreHarness, store: BlobStore) -> None:
        """All of them have read the same content."""
        tag = store.write(".iris.lock", b"old")
        for turn in range(5):
            won = _race(harness, store, ".iris.lock", IfUnchanged(tag), turn)
            assert len(won) == 1
            assert store.read(".iris.lock").data == won[0]
            tag = store.read(".iris.lock").etag

    def test_a_reader_gets_one_content_or_the_other(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Never a mixture, while somebody writes all the time."""
        contents = [bytes([letter]) * 200_000 for letter in b"ab"]
        store.write("iris/f", contents[0])
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(
                lambda: [store.write("iris/f", contents[turn % 2]) for turn in range(60)]
            )
            reader = harness.another()
            while not writing.done():
                assert reader.read("iris/f").data in contents
            writing.result()


def _race(
    harness: StoreHarness,
    store: BlobStore,
    key: str,
    condition: IfAbsent | IfUnchanged,
    turn: int,
) -> list[bytes]:
    """Write at once from many threads and two instances; return what those who won wrote."""
    start = Barrier(_THREADS)
    stores = [store, harness.another()]

    def write(number: int) -> bytes | None:
        data = b"%d by %d;" % (turn, number) * 1000
        start.wait(timeout=30)
        try:
            stores[number % 2].write(key, data, condition=condition)
        except PreconditionFailedError:
            return None
        return data

    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(write, range(_THREADS)))
    return [data for data in results if data is not None]
