"""Laws of `transfer`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from triton_deploy_core.errors import ModelSourceError, StoreUnavailableError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import (
    BlobStore,
    Content,
    LocalFile,
    Source,
    StoredBlob,
    StoredObject,
    Transfer,
)
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import (
    LateProgress,
    RecordedProgress,
    StoreLaws,
    keys,
    seed,
    state,
)

LARGE = Random(0).randbytes(20 * 2**20 + 17)  # noqa: S311
"""More than any adapter copies at once."""


class TransferLaws(StoreLaws):
    """What a transfer puts there, from each kind of source."""

    def test_files_come_from_everywhere(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """This machine, memory, the repository itself, another place of its kind."""
        before = seed(harness, "iris/1/m", "iris2/f", data=b"stored")
        (tmp_path / "local.bin").write_bytes(b"local")
        outside = harness.stored_object(b"outside")
        assert (outside is not None) == bool(store.capabilities.copies_from)
        transfers = [
            Transfer("iris/2/local", LocalFile(tmp_path / "local.bin", 5)),
            Transfer("iris/2/memory", Content(b"memory")),
            Transfer("iris/2/stored", StoredBlob("iris/1/m", 6)),
            Transfer("iris/3/", Content(b"")),
            Transfer("iris/2/empty", Content(b"")),
        ]
        expected = {
            **before,
            "iris/2/local": b"local",
            "iris/2/memory": b"memory",
            "iris/2/stored": b"stored",
            "iris/3/": b"",
            "iris/2/empty": b"",
        }
        if outside is not None:
            transfers.append(Transfer("iris/2/outside", outside))
            expected["iris/2/outside"] = b"outside"
        store.transfer(transfers, NoProgress())
        assert state(harness) == expected

    def test_a_large_file_arrives_whole_and_is_told_of(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """Byte for byte; the pieces sum up to the total."""
        (tmp_path / "large.bin").write_bytes(LARGE)
        seed(harness, "iris/1/m", data=b"12345")
        progress = RecordedProgress()
        transfers = [
            Transfer("iris/2/large", LocalFile(tmp_path / "large.bin", len(LARGE))),
            Transfer("iris/2/m", StoredBlob("iris/1/m", 5)),
            Transfer("iris/2/c", Content(b"123")),
            Transfer("iris/4/", Content(b"")),
        ]
        store.transfer(transfers, progress)
        assert state(harness)["iris/2/large"] == LARGE
        assert progress.totals == [len(LARGE) + 8]
        assert sum(progress.pieces) == len(LARGE) + 8
        assert all(piece >= 0 for piece in progress.pieces)

    def test_an_error_of_the_progress_ends_it(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """That is how a deadline ends a transfer; no half of a file is left by it."""
        (tmp_path / "large.bin").write_bytes(LARGE)
        before = seed(harness, "iris/1/m")
        with pytest.raises(StoreUnavailableError, match="too late"):
            store.transfer(
                [Transfer("iris/2/large", LocalFile(tmp_path / "large.bin", len(LARGE)))],
                LateProgress(),
            )
        assert state(harness) in (before, {**before, "iris/2/large": LARGE})

    def test_nothing_is_transferred_by_an_empty_transfer(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """And it is no error."""
        progress = RecordedProgress()
        store.transfer([], progress)
        assert state(harness) == {}
        assert sum(progress.totals) == sum(progress.pieces) == 0

    def test_an_existing_file_is_replaced(self, harness: StoreHarness, store: BlobStore) -> None:
        """Even by itself."""
        before = seed(harness, "iris/f", "iris/g")
        transfers = [
            Transfer("iris/f", Content(b"new")),
            Transfer("iris/g", StoredBlob("iris/g", 3)),
        ]
        store.transfer(transfers, NoProgress())
        assert state(harness) == {**before, "iris/f": b"new"}

    def test_a_marker_does_no_harm_where_files_are(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """The directory is there already; and an empty one stays one directory."""
        before = seed(harness, "iris/1/m", "ensemble/1/")
        markers = [Transfer(key, Content(b"")) for key in ("iris/1/", "iris/", "ensemble/1/")]
        store.transfer(markers, NoProgress())
        assert state(harness) == before

    def test_a_file_takes_the_place_of_a_marker(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """A directory that was empty gets its first file."""
        seed(harness, "iris/1/")
        store.transfer([Transfer("iris/1/m", Content(b"new"))], NoProgress())
        assert state(harness) == {"iris/1/m": b"new"}

    @pytest.mark.parametrize("lie", [-1, 1])
    def test_a_source_that_changed_its_size_is_refused(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path, lie: int
    ) -> None:
        """What is at the key stays as it was, and no directory is left for what is not there."""
        (tmp_path / "f").write_bytes(b"12345")
        before = seed(harness, "iris/f", "iris/1/", data=b"12345")
        outside = harness.stored_object(b"12345")
        sources: list[Source] = [LocalFile(tmp_path / "f", 5 + lie), StoredBlob("iris/f", 5 + lie)]
        if outside is not None:
            sources.append(StoredObject(outside.uri, 5 + lie))
        for source in sources:
            for key in ("iris/f", "new/1/f", "iris/1/f"):
                with pytest.raises(ModelSourceError):
                    store.transfer([Transfer(key, source)], NoProgress())
                assert state(harness) == before

    def test_a_source_that_is_not_there_is_refused(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """Missing, a directory, of a scheme that nobody knows: all the same."""
        before = seed(harness, "iris/f", "iris/1/")
        sources: list[Source] = [
            LocalFile(tmp_path / "no", 1),
            LocalFile(tmp_path / "no" / "no", 1),
            LocalFile(tmp_path, 1),
            StoredBlob("iris/no", 1),
            StoredBlob("iris", 1),
            StoredBlob("../f", 1),
            StoredObject("nobody://knows/this", 1),
        ]
        for source in sources:
            with pytest.raises(ModelSourceError) as raised:
                store.transfer([Transfer("iris/1/f", source)], NoProgress())
            assert "\n" not in str(raised.value)
            assert state(harness) == before

    def test_an_error_leaves_each_file_whole_or_untouched(
        self, harness: StoreHarness, store: BlobStore, tmp_path: Path
    ) -> None:
        """Some are put, others not."""
        names = [f"iris/1/{number}" for number in range(6)]
        seed(harness, *names)
        transfers = [Transfer(name, Content(b"new")) for name in names]
        transfers[3] = Transfer(names[3], LocalFile(tmp_path / "no", 3))
        with pytest.raises(ModelSourceError):
            store.transfer(transfers, NoProgress())
        after = state(harness)
        assert sorted(after) == names
        assert after[names[3]] == b"old"
        assert set(after.values()) <= {b"old", b"new"}

    def test_many_files_arrive(self, harness: StoreHarness, store: BlobStore) -> None:
        """None is lost, none is in the way of another; and they can all be deleted again."""
        names = [f"iris/{number % 7}/{number:05}" for number in range(self.many)]
        before = seed(harness, "iris2/1/m")
        store.transfer([Transfer(key, Content(key.encode())) for key in names], NoProgress())
        assert state(harness) == {**before, **{key: key.encode() for key in names}}
        store.delete(keys(store, "iris/"))
        assert state(harness) == before

    def test_threads_do_not_get_in_each_others_way(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Each puts and deletes its own names, in directories that come and go."""

        def work(name: str) -> None:
            for turn in range(10):
                transfers = [Transfer(f"shared/{name}/{part}", Content(b"x")) for part in "abc"]
                store.transfer(transfers, NoProgress())
                assert keys(store, f"shared/{name}/") == [item.key for item in transfers]
                if turn < 9:
                    store.delete([item.key for item in transfers])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, "123456"))
        assert state(harness) == {
            f"shared/{name}/{part}": b"x" for name in "123456" for part in "abc"
        }
