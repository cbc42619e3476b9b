from __future__ import annotations

import json
import threading

import pytest

from triton_deploy_core.bookkeeping import lease_key
from triton_deploy_core.clock import SystemClock
from triton_deploy_core.errors import DeploymentBusyError, StoreUnavailableError
from triton_deploy_core.lease import LeaseRecord, holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.process_identity import process_identity
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.store_faults import FailAt

NAME = DeploymentName("iris")
KEY = lease_key(NAME)


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
    store, clock = MemoryStore(), FakeClock()
    dead = LeaseRecord("somebody", "update", "token", clock.now(), clock.now() + 60)
    store.seed({KEY: dead.encode()})
    clock.advance(60)
    with holding(store, NAME, "update", clock=clock):
        assert LeaseRecord.decode(store.snapshot()[KEY]).token != "token"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"holder": 1}', b"[" * 10_000])
def test_one_that_nobody_can_read_is_taken_over(data):
    store = MemoryStore({KEY: data})
    with holding(store, NAME, "update", clock=FakeClock()):
        pass
    assert store.snapshot() == {}


def test_a_holder_that_was_stuck_goes_on_if_nobody_took_it():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60) as lease:
        clock.advance(3600)
        lease.verify()
        assert LeaseRecord.decode(store.snapshot()[KEY]).until == clock.now() + 60
    assert store.snapshot() == {}


def test_a_holder_that_was_stuck_stops_if_somebody_took_it():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60) as lease:
        clock.advance(3600)
        theirs = LeaseRecord("them", "delete", "theirs", clock.now(), clock.now() + 60)
        store.seed({KEY: theirs.encode()})
        with pytest.raises(DeploymentBusyError, match="another is at work"):
            lease.verify()
    assert LeaseRecord.decode(store.snapshot()[KEY]) == theirs


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
        first = LeaseRecord.decode(store.snapshot()[KEY])
        assert renewed.wait(30)
        later = LeaseRecord.decode(store.snapshot()[KEY])
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
        assert LeaseRecord.decode(store.snapshot()[KEY]).until == clock.now() + 60
    assert store.snapshot() == {}


def test_one_that_somebody_removed_is_lost():
    store, clock = MemoryStore(), FakeClock()
    with holding(store, NAME, "update", clock=clock, seconds=60) as lease:
        store.delete([KEY])
        clock.advance(3600)
        with pytest.raises(DeploymentBusyError):
            lease.verify()


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
        assert LeaseRecord.decode(store.snapshot()[KEY]).process == process_identity()
