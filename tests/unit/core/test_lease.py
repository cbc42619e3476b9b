from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import pytest

from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.clock import SystemClock
from triton_deploy_core.errors import (
    DeploymentBusyError,
    LeaseLostError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.lease import LeaseRecord, holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.process_identity import process_identity
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.store_faults import FailAt

NAME = DeploymentName("iris")
KEY = journal_key(NAME)


@contextmanager
def losing(store, clock, match=".", **how):
    """Hold a lease within the context, and see that it was lost at its end."""
    with (
        pytest.raises(LeaseLostError, match=match),
        holding(store, NAME, "update", clock=clock, **how) as lease,
    ):
        yield lease


def test_the_file_says_who_holds_it_and_is_gone_afterwards():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60):
        fields = json.loads(store.snapshot()[KEY])
        assert fields["operation"] == "update"
        assert "process" in fields["holder"]
        assert fields["until"] == fields["since"] + 60 == clock.now() + 60
    assert store.snapshot() == {}


def test_it_is_given_back_after_a_failure():
    store = MemoryStore()
    with pytest.raises(RuntimeError), holding(store, NAME, "update", clock=FakeClock()):
        raise RuntimeError
    assert store.snapshot() == {}


def test_the_loser_is_told_who_holds_it_since_when_and_until_when():
    store, clock = MemoryStore(), FakeClock(start=1_700_000_000)
    with holding(store, NAME, "update", clock=clock, seconds=60):
        clock.advance(30)
        with (
            pytest.raises(DeploymentBusyError) as caught,
            holding(store, NAME, "delete", clock=clock),
        ):
            pass
    assert "2023-11-14 22:13:20 UTC, until 2023-11-14 22:14:20 UTC" in str(caught.value)
    assert caught.value.expires_at == 1_700_000_060
    assert caught.value.holder in str(caught.value)


def test_one_that_ran_out_is_taken_over():
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    dead = LeaseRecord("somebody", "update", "token", clock.now(), clock.now() + 60)
    store.seed({KEY: dead.encode()})
    clock.advance(60)
    with holding(store, NAME, "update", clock=clock):
        assert LeaseRecord.decode(store.snapshot()[KEY], NAME).token != "token"


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b'{"holder": 1}', b"[" * 10_000, b" " * (10 << 20)),
        *(b'{"phase": "undo", "token": 1}', b'{"token": "x", "since": NaN, "until": 1}'),
    ],
)
def test_one_that_can_not_be_read_is_refused_in_one_line_and_left_alone(data):
    store = MemoryStore({KEY: data})
    with pytest.raises(StoreError) as caught, holding(store, NAME, "update", clock=FakeClock()):
        pass
    assert KEY in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.snapshot() == {KEY: data}


def test_a_holder_that_was_stuck_goes_on_if_nobody_took_it():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60) as lease:
        clock.advance(3600)
        lease.verify()
        assert LeaseRecord.decode(store.snapshot()[KEY], NAME).until == clock.now() + 60
    assert store.snapshot() == {}


def test_a_holder_that_was_stuck_stops_if_somebody_took_it():
    store, clock = MemoryStore(), FakeClock()
    with losing(store, clock, "another is at work") as lease:
        clock.advance(3600)
        theirs = LeaseRecord("them", "delete", "theirs", clock.now(), clock.now() + 60)
        store.seed({KEY: theirs.encode()})
        with pytest.raises(DeploymentBusyError, match="another is at work"):
            lease.verify()
    assert LeaseRecord.decode(store.snapshot()[KEY], NAME) == theirs


def test_it_is_renewed_while_work_goes_on():
    store, renewed = MemoryStore(), threading.Event()
    writes = 0

    def count(moment):
        nonlocal writes
        writes += moment.call.method == "write" and moment.done
        if writes > 2:
            renewed.set()

    store.faults = count
    with holding(store, NAME, "update", clock=SystemClock(), seconds=0.1):
        first = LeaseRecord.decode(store.snapshot()[KEY], NAME)
        assert renewed.wait(30)
        later = LeaseRecord.decode(store.snapshot()[KEY], NAME)
    assert (later.token, later.since) == (first.token, first.since)
    assert later.until > first.until


def test_a_renewal_that_fails_is_tried_again():
    failed, store = threading.Event(), MemoryStore()

    def fail_once(moment):
        if moment.call.method == "write" and not failed.is_set():
            failed.set()
            raise StoreUnavailableError("try again")

    with holding(store, NAME, "update", clock=SystemClock(), seconds=0.3) as lease:
        store.faults = fail_once
        assert failed.wait(30)
        lease.verify()
    assert store.snapshot() == {}


def test_a_renewal_whose_answer_was_lost_is_still_ours():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60) as lease:
        store.write(KEY, store.snapshot()[KEY])
        clock.advance(3600)
        lease.verify()
        assert LeaseRecord.decode(store.snapshot()[KEY], NAME).until == clock.now() + 60
    assert store.snapshot() == {}


def test_one_that_somebody_removed_is_lost():
    store, clock = MemoryStore(), FakeClock()
    with losing(store, clock) as lease:
        store.delete([KEY])
        clock.advance(3600)
        with pytest.raises(DeploymentBusyError):
            lease.verify()
    assert store.snapshot() == {}


@pytest.mark.parametrize("moment", range(2))
def test_one_whose_taking_fails_is_not_left_behind(moment):
    store = MemoryStore(faults=FailAt(frozenset({moment})))
    with pytest.raises(StoreUnavailableError), holding(store, NAME, "x", clock=FakeClock()):
        pass
    assert store.snapshot() == {}


def test_one_that_can_not_be_given_back_spoils_no_success():
    store = MemoryStore()
    with holding(store, NAME, "update", clock=FakeClock()):
        store.faults = FailAt(frozenset(range(100)))
    assert set(store.snapshot()) == {KEY}


def test_a_repository_that_fails_at_the_start_leaves_nothing_held():
    store = MemoryStore(faults=FailAt(frozenset({0})))
    with pytest.raises(StoreUnavailableError), holding(store, NAME, "x", clock=FakeClock()):
        pass
    assert store.snapshot() == {}


def test_of_many_at_once_exactly_one_gets_it():
    store, clock = MemoryStore(), SystemClock()
    start, outcomes = threading.Barrier(20), []
    done = threading.Event()

    def try_it():
        start.wait()
        try:
            with holding(store, NAME, "update", clock=clock):
                outcomes.append("held")
                done.wait(30)
        except DeploymentBusyError:
            outcomes.append("busy")
            if outcomes.count("busy") == 19:
                done.set()

    threads = [threading.Thread(target=try_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 19 + ["held"]
    assert store.snapshot() == {}


def test_one_whose_holder_died_on_this_machine_is_taken_over_at_once():
    store, clock = MemoryStore(), FakeClock()
    place, _, started = process_identity().rpartition("/")
    dead = f"{place}/{int(started) - 1}"
    held = LeaseRecord("somebody", "update", "token", clock.now(), clock.now() + 60, dead)
    store.seed({KEY: held.encode()})
    with holding(store, NAME, "update", clock=clock):
        assert LeaseRecord.decode(store.snapshot()[KEY], NAME).process == process_identity()


@pytest.mark.parametrize("machines_clock_is_off_by", [-600, -50, 50, 600])
def test_clocks_that_differ_leave_one_winner(machines_clock_is_off_by):
    """The age of a lease is the store's to tell, whatever the two machines take the time for."""
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    other = FakeClock(start=clock.now() + machines_clock_is_off_by)
    with losing(store, other) as lease:
        clock.advance(59)
        with pytest.raises(DeploymentBusyError), holding(store, NAME, "delete", clock=clock):
            pass
        clock.advance(1)
        with holding(store, NAME, "delete", clock=clock):
            with pytest.raises(LeaseLostError):
                lease.confirm()
            stored = LeaseRecord.decode(store.snapshot()[KEY], NAME)
            assert stored.operation == "delete"
    assert store.snapshot() == {}


def _journal(store):
    return LeaseRecord.decode(store.snapshot()[KEY], NAME).journal


def test_a_journal_that_is_left_stays_for_the_next_holder():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock) as lease:
        lease.note({"phase": "undo"})
    assert LeaseRecord.decode(store.snapshot()[KEY], NAME).is_over
    with holding(store, NAME, "repair", clock=clock) as lease:
        assert lease.journal == {"phase": "undo"}
        assert not lease.overtook
        assert _journal(store) == {"phase": "undo"}
        lease.forget()
    assert store.snapshot() == {}


def test_a_journal_alone_as_earlier_releases_left_it_is_taken_up():
    store = MemoryStore({KEY: b'{"format": 2, "phase": "delete"}'})
    with holding(store, NAME, "repair", clock=FakeClock()) as lease:
        assert lease.journal == {"format": 2, "phase": "delete"}
        lease.forget()
    assert store.snapshot() == {}


def test_a_journal_survives_a_takeover_in_the_same_write():
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    with losing(store, clock) as first:
        first.note({"phase": "undo"})
        clock.advance(61)
        with holding(store, NAME, "repair", clock=clock) as second:
            assert second.journal == _journal(store) == {"phase": "undo"}
            assert second.overtook
            with pytest.raises(LeaseLostError):
                first.note({"phase": "settle"})
            assert _journal(store) == {"phase": "undo"}
            second.forget()
    assert store.snapshot() == {}


def test_what_an_overtaken_holder_has_staged_is_removed():
    """Also that of one who was overtaken by a holder who died before it could do so."""
    clock = FakeClock()
    store = MemoryStore(clock=clock, is_object_store=True)
    left = {f"{KEY}.{'a' * 32}": b"config", f"{KEY}.{'b' * 32}": b"config"}
    with losing(store, clock):
        store.seed(left)
        clock.advance(60)
        with holding(store, NAME, "repair", clock=clock):
            assert set(store.snapshot()) == {KEY}


def test_no_success_is_reported_once_the_lease_may_be_another_operations():
    """The repository can't be reached, for longer than the lease lasts."""
    store, clock = MemoryStore(), FakeClock()
    with losing(store, clock):
        store.faults = FailAt(frozenset(range(100)))
        clock.advance(61)


def test_a_failure_under_a_lost_lease_is_that_of_the_lease():
    store, clock = MemoryStore(), FakeClock()
    with losing(store, clock, "may have changed it since|another is at work"):
        store.seed({KEY: LeaseRecord("them", "delete", "theirs", 0.0, 60.0).encode()})
        raise StoreUnavailableError("a file is gone")


def test_a_renewal_that_is_refused_stops_the_holder():
    store, lost = MemoryStore(), threading.Event()
    with losing(store, SystemClock(), seconds=0.3):
        store.faults = lambda moment: lost.set() if moment.call.method == "read" else None
        store.seed({KEY: LeaseRecord("them", "delete", "theirs", 0.0, 60.0).encode()})
        assert lost.wait(30)
