"""Laws of guards: a writer whose lease another has taken over changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from triton_deploy_core.errors import BlobNotFoundError, PreconditionFailedError, StaleWriterError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import (
    GUARD_BYTES,
    BlobStore,
    Content,
    Guard,
    IfUnchanged,
    StoredBlob,
    Transfer,
)
from triton_deploy_core.testing.store_harness import StoreHarness
from triton_deploy_core.testing.store_laws.fixtures import StoreLaws, keys, seed, state

_MINE = Guard(".iris.@journal", "a" * 32)
_OWN = b'{"token": "' + b"a" * 32 + b'"}'
_THEIRS = b'{"token": "' + b"b" * 32 + b'"}'
_GUARDS = {
    "another writer's": _THEIRS,
    "gone": None,
    "empty": b"",
    "named too late": b" " * GUARD_BYTES + _OWN,
}


def _write(store: BlobStore) -> None:
    store.write("iris/config.pbtxt", b"late", guard=_MINE)


def _transfer(store: BlobStore) -> None:
    items = [Transfer(f"iris/{name}", Content(b"late")) for name in ("config.pbtxt", "new")]
    store.transfer([*items, Transfer("iris/3/", Content(b""))], NoProgress(), guard=_MINE)


def _copy(store: BlobStore) -> None:
    item = Transfer("iris/config.pbtxt", StoredBlob("iris/1/m", 3))
    store.transfer([item], NoProgress(), guard=_MINE)


def _delete(store: BlobStore) -> None:
    store.delete(["iris/config.pbtxt", "iris/1/m"], guard=_MINE)


class GuardingLaws(StoreLaws):
    """What a guarded change does, and when it must not."""

    @pytest.mark.parametrize("content", _GUARDS.values(), ids=_GUARDS.keys())
    @pytest.mark.parametrize("change", [_write, _transfer, _copy, _delete])
    def test_a_late_change_changes_nothing(
        self,
        harness: StoreHarness,
        store: BlobStore,
        change: Callable[[BlobStore], None],
        content: bytes | None,
    ) -> None:
        """Whatever it is, and whatever has become of its guard."""
        before = seed(harness, "iris/config.pbtxt", "iris/1/m", "iris2/config.pbtxt")
        if content is not None:
            harness.raw_write(_MINE.key, content)
            before[_MINE.key] = content
        with pytest.raises(StaleWriterError):
            change(store)
        after = state(harness)
        after.pop(_MINE.staging, None)
        assert after == before

    def test_a_change_in_time_is_made(self, harness: StoreHarness, store: BlobStore) -> None:
        """A write, a transfer and a delete; the guard stays as it is."""
        harness.raw_write(_MINE.key, _OWN)
        seed(harness, "iris/old")
        tag = store.write("iris/config.pbtxt", b"new", guard=_MINE)
        assert store.read("iris/config.pbtxt").etag == tag
        store.transfer([Transfer("iris/1/m", Content(b"data"))], NoProgress(), guard=_MINE)
        store.delete(["iris/old"], guard=_MINE)
        after = state(harness)
        after.pop(_MINE.staging, None)
        assert after == {
            _MINE.key: _OWN,
            "iris/config.pbtxt": b"new",
            "iris/1/m": b"data",
        }

    def test_a_guard_may_have_much_behind_its_token(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Only its beginning counts."""
        harness.raw_write(_MINE.key, _OWN + b" " * 200_000)
        store.write("iris/config.pbtxt", b"new", guard=_MINE)
        assert store.read("iris/config.pbtxt").data == b"new"

    def test_a_conditional_delete_leaves_what_was_replaced(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """Nor does it take for its own what somebody else has deleted."""
        tag = store.write("iris/f", b"old")
        store.write("iris/f", b"new")
        with pytest.raises(PreconditionFailedError):
            store.delete(["iris/f"], condition=IfUnchanged(tag))
        assert state(harness) == {"iris/f": b"new"}
        tag = store.read("iris/f").etag
        store.delete(["iris/f"], condition=IfUnchanged(tag))
        assert state(harness) == {}
        with pytest.raises(PreconditionFailedError):
            store.delete(["iris/f"], condition=IfUnchanged(tag))

    def test_an_age_is_by_the_stores_own_clock(
        self, harness: StoreHarness, store: BlobStore
    ) -> None:
        """New files are young, whoever wrote them."""
        seed(harness, "iris/f")
        store.write("iris/g", b"new")
        assert 0.0 <= store.age("iris/f") < 3600.0
        assert 0.0 <= store.age("iris/g") < 3600.0
        for missing in ("iris/h", "iris", "no/f"):
            with pytest.raises(BlobNotFoundError):
                store.age(missing)
        assert keys(store) == ["iris/f", "iris/g"]
