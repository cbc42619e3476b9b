"""What `MemoryStore` offers beyond the port: log, faults, times, raw access."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest

from triton_deploy_core.errors import StoreAccessError, StoreUnavailableError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, StoredObject, Transfer
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.store_faults import (
    CountMoments,
    CrashAt,
    FailAt,
    SimulatedCrash,
    StoreCall,
)


@dataclass
class HandClock:
    time: float = 100.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def deploy(store: MemoryStore) -> None:
    files = {"iris/2/m": b"new", "iris/2/n": b"new"}
    store.transfer([Transfer(key, Content(data)) for key, data in files.items()], NoProgress())
    store.write("iris/config.pbtxt", b"2")
    store.delete(["iris/1/m"])


OLD = {"iris/1/m": b"old", "iris/config.pbtxt": b"1"}


def test_calls_are_logged_and_raw_access_is_not() -> None:
    store = MemoryStore(OLD)
    store.seed({"x/1/": b""})
    store.snapshot()
    store.modified("iris/")
    deploy(store)
    assert [blob.key for blob in store.list("iris/2")] == ["iris/2/m", "iris/2/n"]
    assert store.calls == [
        StoreCall("transfer", ("iris/2/m", "iris/2/n")),
        StoreCall("write", ("iris/config.pbtxt",)),
        StoreCall("delete", ("iris/1/m",)),
        StoreCall("list", ("iris/2",)),
    ]


def test_a_crash_can_come_at_every_moment() -> None:
    counter = CountMoments()
    deploy(MemoryStore(OLD, faults=counter))
    assert counter.count == 8
    assert all(moment.changes for moment in counter.moments)
    left = []
    for number in range(counter.count):
        store = MemoryStore(OLD, faults=CrashAt(number))
        with pytest.raises(SimulatedCrash):
            deploy(store)
        left.append(store.survivor().snapshot())
    assert left[0] == OLD
    assert left[1] == left[2] == {**OLD, "iris/2/m": b"new"}
    assert left[3] == left[4] == {**OLD, "iris/2/m": b"new", "iris/2/n": b"new"}
    assert left[5] == left[6] == {**left[4], "iris/config.pbtxt": b"2"}
    assert "iris/1/m" not in left[7]


def test_the_dead_do_not_tidy_up() -> None:
    store = MemoryStore(OLD, faults=CrashAt(1))
    with pytest.raises(SimulatedCrash):
        store.write("f", b"x")
    with suppress(SimulatedCrash):
        store.delete(["f"])
    survivor = store.survivor()
    assert survivor.read("f").data == b"x"
    survivor.delete(["f"])
    assert store.snapshot() == OLD


def test_an_error_comes_when_it_is_due_and_goes_again() -> None:
    store = MemoryStore(OLD, faults=FailAt(frozenset({2, 5})))
    with pytest.raises(StoreUnavailableError):
        deploy(store)
    assert store.snapshot() == {**OLD, "iris/2/m": b"new"}
    store.check()
    error = StoreAccessError("no")
    store.faults = FailAt(frozenset({5}), error)
    with pytest.raises(StoreAccessError) as raised:
        store.read("iris/1/m")
    assert raised.value is error
    assert store.read("iris/1/m").data == b"old"


def test_a_hook_may_use_the_store() -> None:
    store = MemoryStore(OLD)

    def interfere(moment: object) -> None:
        store.faults = None
        store.write("iris/config.pbtxt", b"theirs")

    store.faults = interfere
    assert store.read("iris/config.pbtxt").data == b"theirs"


def test_times_come_from_the_clock_and_never_repeat() -> None:
    clock = HandClock()
    store = MemoryStore({"iris/1/m": b""}, clock=clock)
    first = store.modified("iris/")
    assert first == pytest.approx(100.0)
    store.write("iris/1/m", b"x")
    second = store.modified("iris/")
    assert second > first
    clock.time = 200.0
    store.write("iris2/1/m", b"")
    assert store.modified("iris/") == second
    assert store.modified("iris2/1/m") == 200.0
    assert store.modified("no") == 0.0


def test_a_deletion_is_a_modification_of_the_directory() -> None:
    clock = HandClock()
    store = MemoryStore({"iris/1/m": b"", "iris/f": b"", "iris/2/": b""}, clock=clock)
    clock.time = 200.0
    store.delete(["iris/1/m"])
    assert store.modified("iris/") == pytest.approx(200.0)
    assert store.modified("iris/f") < 101
    clock.time = 300.0
    store.delete(["iris/2/", "iris/f"])
    assert store.modified("iris/") == 0.0


def test_a_file_is_not_put_where_a_directory_is() -> None:
    store = MemoryStore({"iris/1/m": b"", "bare/": b"", "f": b""})
    before = store.snapshot()
    for key in ("iris", "iris/1", "bare", "f/x", "f/x/y"):
        with pytest.raises(StoreAccessError):
            store.write(key, b"x")
    with pytest.raises(StoreAccessError):
        store.transfer([Transfer("f/", Content(b""))], NoProgress())
    assert store.snapshot() == before


def test_objects_of_other_stores_are_named_by_uri() -> None:
    other = MemoryStore({"a b/é": b"data"}, name="other")
    store = MemoryStore(remotes=[other])
    assert store.location == "memory://models"
    store.transfer([Transfer("f", StoredObject(other.uri("a b/é"), 4))], NoProgress())
    store.transfer([Transfer("g", StoredObject(store.uri("f"), 4))], NoProgress())
    assert store.snapshot() == {"f": b"data", "g": b"data"}


def test_what_is_seeded_has_to_have_a_key() -> None:
    with pytest.raises(ValueError):
        MemoryStore({"../f": b""})
