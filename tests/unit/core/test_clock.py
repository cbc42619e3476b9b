from __future__ import annotations

import threading
import time

import pytest

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.testing.clock import FakeClock


def test_sleep_moves_both_times_on() -> None:
    clock = FakeClock(start=100.0)
    clock.sleep(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)
    assert clock.sleeps == [2.5]


def test_advance_is_nobodys_sleep() -> None:
    clock = FakeClock()
    clock.advance(3)
    assert clock.monotonic() == 3
    assert clock.sleeps == []


def test_time_does_not_go_back() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError):
        clock.sleep(-1)
    with pytest.raises(ValueError):
        clock.advance(-1)
    assert clock.monotonic() == 0


def test_no_sleep_is_lost_between_threads() -> None:
    clock = FakeClock()

    def work() -> None:
        for _ in range(500):
            clock.sleep(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 2000


def test_deadline_passes_with_the_clock() -> None:
    clock = FakeClock()
    deadline = Deadline.after(2, clock)
    clock.sleep(1.5)
    assert (deadline.remaining(), deadline.passed) == (0.5, False)
    clock.sleep(10)
    assert (deadline.remaining(), deadline.passed) == (0.0, True)


def test_deadline_of_no_time_has_passed() -> None:
    assert Deadline.after(0, FakeClock()).passed


def test_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now() <= time.time()
