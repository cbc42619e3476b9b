"""Requests to a fleet: where they go, and where they go next."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import closing

import numpy as np
import pytest

from triton_deploy_core.errors import (
    AnswerLostError,
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.membership import Membership
from triton_deploy_core.fleet.spreading import Spreading
from triton_deploy_core.ports.request_options import RequestOptions, SequenceStep
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulated_fleet import simulated_servers

CONFIG = b"""\
backend: "onnxruntime"
input { name: "X" data_type: TYPE_FP32 dims: 1 }
output { name: "X" data_type: TYPE_FP32 dims: 1 }
"""
X = {"X": np.ones(1, np.float32)}


def in_sequence(number: int | str, **more: bool) -> RequestOptions:
    return RequestOptions(sequence=SequenceStep(number, **more))


class Servers:
    """Simulated servers that serve ``iris``, and what requests came to them."""

    def __init__(self, count: int, without_streams=()) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.store.seed({"iris/config.pbtxt": CONFIG, "iris/1/model.onnx": b""})
        self.servers = simulated_servers(
            count, self.store, self.clock, without_streams=without_streams
        )
        for server in self.servers:
            server.load("iris", timeout=10)

    def spreading(self, members=None) -> Spreading:
        known = [Member(server) for server in self.servers] if members is None else members
        return Spreading(known, clock=self.clock, chance=random.Random(1))

    def asked(self, method="infer") -> list[int]:
        return [[call.method for call in one.calls].count(method) for one in self.servers]


@pytest.fixture
def three() -> Servers:
    return Servers(3)


def infer(spreading, times=1, name="iris"):
    for _ in range(times):
        spreading.infer(name, X, timeout=10)


def failing(error, method="infer"):
    def fail(call):
        if call.method == method:
            raise error

    return fail


def test_requests_are_spread(three):
    infer(three.spreading(), 300)
    assert all(60 < count < 140 for count in three.asked())


def test_two_at_once_do_not_go_to_one_of_two_servers():
    """The one with fewer requests in flight gets the next: never a herd on one."""
    servers = Servers(2)
    spreading, together = servers.spreading(), threading.Barrier(2, timeout=20)

    def meet(call):
        if call.method == "infer":
            together.wait()

    for server in servers.servers:
        server.before_call = meet
    for _ in range(10):
        threads = [threading.Thread(target=infer, args=(spreading,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert servers.asked() == [10, 10]


def test_one_that_dies_is_left_out_and_retried_later(three):
    spreading = three.spreading()
    infer(spreading, 10)
    three.servers[0].kill()
    before = three.asked()[0]
    infer(spreading, 100)
    assert three.asked()[0] - before == 1
    three.clock.advance(0.6)
    infer(spreading, 100)
    assert three.asked()[0] - before == 2
    # It rests for longer each time, and for half a minute at most.
    for _ in range(20):
        three.clock.advance(30)
        infer(spreading, 20)
    assert three.asked()[0] - before == 22
    three.servers[0].restart(load_all=True)
    three.clock.advance(30)
    infer(spreading, 100)
    assert three.asked()[0] - before > 40


def test_one_that_does_not_serve_the_model_is_left_out_for_that_model(three):
    spreading = three.spreading()
    three.servers[0].unload("iris", timeout=10)
    three.clock.advance(5)
    infer(spreading, 100)
    assert three.asked()[0] == 1
    three.store.seed({"other/config.pbtxt": CONFIG, "other/1/model.onnx": b""})
    three.servers[0].load("other", timeout=10)
    infer(spreading, 10, "other")
    assert three.asked()[0] == 11


@pytest.mark.parametrize("error", [AnswerLostError("lost"), ServerTimeoutError("late")])
def test_a_request_that_was_sent_is_not_sent_again(three, error):
    spreading = three.spreading()
    for server in three.servers:
        server.before_call = failing(error)
    with pytest.raises(type(error)):
        infer(spreading)
    assert sum(three.asked()) == 1
    for server in three.servers:
        server.before_call = None
    silent = three.asked().index(1)
    infer(spreading, 50)
    assert three.asked()[silent] == 1


def test_a_refusal_is_the_answer(three):
    spreading = three.spreading()
    for server in three.servers:
        server.before_call = failing(RequestRefusedError("no", reason="no"))
    with pytest.raises(RequestRefusedError, match=r"^no$"):
        infer(spreading)
    assert sum(three.asked()) == 1


def test_nobody_serves_the_model_or_answers(three):
    spreading = three.spreading()
    for _ in range(3):  # also while they rest
        with pytest.raises(ModelNotServedError, match="3 of 3 servers"):
            infer(spreading, name="other")
    for server in three.servers:
        server.reachable = False
    for _ in range(3):
        with pytest.raises(ServerUnreachableError, match="3 of 3 servers"):
            infer(spreading)
    three.servers[1].reachable = True
    infer(spreading)


def test_no_further_server_is_tried_when_time_is_up(three):
    for server in three.servers:
        server.reachable = False
        server.before_call = lambda _: three.clock.advance(6)
    with pytest.raises(ServerUnreachableError, match="2 of 2 servers"):
        infer(three.spreading())


def test_members_that_take_no_requests(three):
    members = [Member(server, takes_requests=n == 1) for n, server in enumerate(three.servers)]
    infer(three.spreading(members), 20)
    assert three.asked() == [0, 20, 0]
    # Better one that is not ready, as a failed load makes it, than none.
    infer(three.spreading([Member(server, takes_requests=False) for server in three.servers]), 20)
    assert sum(three.asked()) == 40


def test_sequences_stay_where_they_began(three):
    spreading = three.spreading()
    places: dict[int, set[str]] = {}

    def step(number, *, start=False, end=False):
        def ask(server):
            places.setdefault(number, set()).add(server.url)
            return server.infer("iris", X, timeout=10)

        spreading.send("iris", ask, timeout=10, options=in_sequence(number, start=start, end=end))

    for number in range(1, 61):
        step(number, start=True)
    three.servers[0].reachable = False
    infer(spreading, 20)  # it rests
    for number in range(61, 91):
        step(number, start=True)
    three.servers[0].reachable = True
    for number in range(1, 91):
        step(number)
        step(number, end=True)
    assert all(len(urls) == 1 for urls in places.values())
    counts = Counter(url for urls in places.values() for url in urls)
    assert len(counts) == 3
    assert all("triton-1:8000" not in places[number] for number in range(61, 91))
    # Another process goes on where this one began.
    other, seen = three.spreading(), []
    for number in range(1, 61):
        other.send(
            "iris", lambda server: seen.append(server.url), timeout=1, options=in_sequence(number)
        )
        assert {seen.pop()} == places[number]


def test_a_sequence_goes_nowhere_else(three):
    spreading = three.spreading()

    def step(**more):
        return spreading.send(
            "iris",
            lambda one: (one.infer("iris", X, timeout=1), one)[1],
            timeout=9,
            options=in_sequence("a", **more),
        )

    place = step(start=True)
    place.kill()
    with pytest.raises(ServerUnreachableError):
        step()
    assert step(start=True) is not place


def test_requests_of_a_sequence_go_to_one_server_one_after_another(three):
    """`infer_many` and streams too, by the options that users give."""
    spreading, under_way, overtaken = three.spreading(), threading.Lock(), threading.Event()

    def enter(call):
        if call.method == "infer":
            if not under_way.acquire(blocking=False):
                overtaken.set()
            overtaken.wait(0.05)

    def leave(call):
        if call.method == "infer" and not overtaken.is_set():
            under_way.release()

    for server in three.servers:
        server.before_call, server.after_call = enter, leave
    spreading.infer("iris", X, timeout=9, options=in_sequence(5, start=True))
    answers = spreading.infer_many("iris", [X] * 4, timeout=9, options=in_sequence(5))
    assert len(list(answers)) == 4
    assert not overtaken.is_set()
    list(spreading.infer_stream("iris", X, timeout=9, options=in_sequence(5, end=True)))
    assert sorted(three.asked()) == [0, 0, 5]
    assert three.asked("infer_stream")[three.asked().index(5)] == 1


def test_options_go_with_each_request(three):
    options = RequestOptions(request_id="r", parameters={"k": 1})
    fleet = Fleet(three.servers)
    fleet.infer("iris", X, timeout=9, options=options)
    list(fleet.infer_many("iris", [X] * 5, timeout=9, options=options))
    list(fleet.infer_stream("iris", X, timeout=9, options=options))
    told = [
        call.options
        for server in three.servers
        for call in server.calls
        if call.method in {"infer", "infer_stream"}
    ]
    assert told == [options] * 7


def test_a_version_is_answered_where_it_is_served(three):
    """Who does not serve it is left out for that version, and for nothing else."""
    three.store.seed({"iris/config.pbtxt": CONFIG + b"version_policy { all { } }"})
    three.store.seed({"iris/2/model.onnx": b""})
    three.clock.advance(5)
    three.servers[1].load("iris", timeout=10)
    spreading, options = three.spreading(), RequestOptions(version=2)
    for _ in range(50):
        spreading.infer("iris", X, timeout=9, options=options)
        list(spreading.infer_stream("iris", X, timeout=9, options=options))
    counts = [sum(pair) for pair in zip(three.asked(), three.asked("infer_stream"), strict=True)]
    assert counts[1] == 100
    assert counts[0] <= 1
    assert counts[2] <= 1
    with pytest.raises(ModelNotServedError, match=r"version 3.*3 of 3 servers"):
        spreading.infer("iris", X, timeout=9, options=RequestOptions(version=3))
    before = three.asked()
    infer(spreading, 60)
    assert all(now - then > 5 for now, then in zip(three.asked(), before, strict=True))


def test_streams_go_to_servers_that_have_them():
    servers = Servers(3, without_streams=(1, 3))
    spreading = servers.spreading()
    assert spreading.streams
    for _ in range(20):
        list(spreading.infer_stream("iris", X, timeout=9))
    assert servers.asked("infer_stream") == [0, 20, 0]
    servers.servers[1].reachable = False
    with pytest.raises(ServerUnreachableError, match="triton-2:8000"):
        list(spreading.infer_stream("iris", X, timeout=9))
    infer(spreading, 20)
    none = Servers(2, without_streams=(1, 2)).spreading()
    assert not none.streams
    with pytest.raises(InvalidRequestError, match="grpc://"):
        list(none.infer_stream("iris", X, timeout=9))


def test_a_stream_is_moved_until_its_first_answer(three):
    three.servers[0].unload("iris", timeout=10)
    three.servers[1].reachable = False
    three.clock.advance(5)
    spreading = three.spreading()
    for _ in range(20):
        [answer] = spreading.infer_stream("iris", X, timeout=9)
        assert answer["X"].tolist() == [1]
    assert three.asked("infer_stream") == [1, 1, 20]


@pytest.mark.parametrize(
    "error",
    [
        ServerUnreachableError("gone"),
        ModelNotServedError("unloaded"),
        AnswerLostError("lost"),
        ServerTimeoutError("late"),
    ],
)
def test_a_stream_is_not_moved_once_an_answer_came(three, error):
    """The server is left out from then on, as after any other failure."""
    asked = []

    def breaking(server):
        def infer_stream(*_, **__):
            asked.append(server.url)
            yield X
            raise error

        return infer_stream

    for server in three.servers:
        server.infer_stream = breaking(server)
    spreading = three.spreading()
    answers = spreading.infer_stream("iris", X, timeout=9)
    assert next(answers) == X
    with pytest.raises(type(error)):
        next(answers)
    [broken] = asked
    infer(spreading, 50)
    assert [three.asked()[n] for n, one in enumerate(three.servers) if one.url == broken] == [0]


@pytest.mark.parametrize("error", [AnswerLostError("lost"), ServerTimeoutError("late")])
def test_a_stream_that_may_have_begun_is_not_begun_again(three, error):
    for server in three.servers:
        server.before_call = failing(error, "infer_stream")
    with pytest.raises(type(error)):
        list(three.spreading().infer_stream("iris", X, timeout=9))
    assert sum(three.asked("infer_stream")) == 1


def test_an_open_stream_counts_as_a_request_until_it_is_closed():
    servers = Servers(2)
    closed = []

    def endless(server):
        def infer_stream(*_, **__):
            try:
                while True:
                    yield X
            finally:
                closed.append(server.url)

        return infer_stream

    for server in servers.servers:
        server.infer_stream = endless(server)
    spreading = servers.spreading()
    answers = spreading.infer_stream("iris", X, timeout=9)
    next(answers)
    infer(spreading, 20)
    assert sorted(servers.asked()) == [0, 20]
    answers.close()
    assert len(closed) == 1
    infer(spreading, 40)
    assert all(servers.asked())


def test_many_requests_go_to_all(three):
    spreading = three.spreading()
    requests = ({"X": np.full(1, n, np.float32)} for n in range(200))
    answers = [
        float(answer["X"][0]) for answer in spreading.infer_many("iris", requests, timeout=10)
    ]
    assert answers == list(range(200))
    assert all(three.asked())


def test_one_dies_in_the_middle_of_many(three):
    spreading, requests = three.spreading(), [X] * 90
    with closing(spreading.infer_many("iris", requests, timeout=10, in_flight=3)) as answers:
        for number, _ in enumerate(answers):
            if number == 30:
                three.servers[2].kill()
    assert number == 89


def test_nobody_waits_for_what_is_under_way_when_it_is_over(three):
    spreading, leave = three.spreading(), threading.Event()

    def hang(call):
        if call.method == "infer" and any(three.asked()) and sum(three.asked()) > 1:
            leave.wait(60)

    for server in three.servers:
        server.before_call = hang
    answers = spreading.infer_many("iris", [X] * 50, timeout=10, in_flight=4)
    next(answers)
    answers.close()
    begun = sum(three.asked())
    leave.set()
    assert begun <= 6


def test_members_that_come_and_go(three):
    closed = []
    for server in three.servers:
        server.close = lambda url=server.url: closed.append(url)
    known = [Member(three.servers[0])]
    spreading = three.spreading(Membership(lambda: list(known), clock=three.clock))
    infer(spreading, 5)
    known[:] = [Member(three.servers[1]), Member(three.servers[2])]
    infer(spreading, 5)
    assert three.asked() == [10, 0, 0]
    three.clock.advance(30)
    infer(spreading, 50)
    assert three.asked()[0] == 10
    assert all(three.asked())
    assert closed == ["triton-1:8000"]


def test_who_is_overtaken_does_not_go_back_to_members_that_left(three):
    closed = []
    for server in three.servers:
        server.close = lambda url=server.url: closed.append(url)
    known = [Member(three.servers[0])]
    meanwhile = []

    class Overtaken(Membership):
        def now(self):
            found = super().now()
            while meanwhile:
                meanwhile.pop()()
            return found

    spreading = three.spreading(Overtaken(lambda: list(known), clock=three.clock))

    def another_thread():
        known[:] = [Member(three.servers[1])]
        three.clock.advance(60)
        infer(spreading)

    meanwhile.append(another_thread)
    infer(spreading)
    assert three.asked() == [0, 2, 0]
    assert closed == ["triton-1:8000"]


def test_members_are_asked_for_at_once_when_none_is_reached(three):
    known = [Member(three.servers[0])]
    spreading = three.spreading(Membership(lambda: list(known), clock=three.clock))
    three.servers[0].kill()
    three.clock.advance(2)
    known[:] = [Member(three.servers[1])]
    infer(spreading)
    assert three.asked() == [1, 1, 0]


def test_members_stay_where_nobody_knows_them_now(three):
    found = [[Member(three.servers[0])]]

    def find():
        if not found:
            raise ServerUnreachableError("the DNS server is gone")
        return found.pop()

    spreading = three.spreading(Membership(find, clock=three.clock))
    three.clock.advance(60)
    infer(spreading, 3)
    assert three.asked() == [3, 0, 0]
    with pytest.raises(ServerUnreachableError, match="the DNS server is gone"):
        Membership(find)


def test_a_server_that_left_is_closed_after_its_last_request(three):
    order = []
    three.servers[0].close = lambda: order.append("closed")
    known = [Member(three.servers[0])]
    spreading = three.spreading(Membership(lambda: list(known), clock=three.clock))

    def ask(server):
        known[:] = [Member(three.servers[1])]
        three.clock.advance(60)
        infer(spreading)
        order.append("answered")

    spreading.send("iris", ask, timeout=100)
    assert order == ["answered", "closed"]


def test_a_fleet_spreads(three):
    fleet = Fleet(three.servers)
    for _ in range(60):
        fleet.infer("iris", X, timeout=10)
    assert all(three.asked())
