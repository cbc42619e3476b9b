"""Requests to the servers that a directory names: real connections, kept and found anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from triton_deploy_core.errors import AnswerLostError
from triton_deploy_core.fleet.membership import Membership
from triton_deploy_core.fleet.spreading import Spreading
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_transport import connect, connect_for_requests
from triton_deploy_transport._fleet_members import FleetMembers
from triton_deploy_transport.connect import _connecting
from triton_deploy_transport.server_address import ServerAddress

X = {"X": np.ones(1, np.float32)}


class Replica:
    """A server that answers each inference with its number; `broken`: it hangs up instead."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.broken = False
        self.served = True
        self.server: Any = None

    def answer(self) -> tuple[int, bytes]:
        if not self.served:
            return 400, b'{"error":"Request for unknown model: \'m\' is not found"}'
        tensor = {"name": "Y", "datatype": "INT32", "shape": [1], "data": [self.number]}
        return 200, json.dumps({"model_name": "m", "outputs": [tensor]}).encode()


@pytest.fixture
def replicas(raw_server: Any, request_reader: Any, reply_bytes: Any) -> Iterator[list[Replica]]:
    def behaviour(replica: Replica) -> Callable[[Any], None]:
        def serve(connection: Any) -> None:
            while request_reader(connection):
                replica.requests += 1
                if replica.broken:
                    return
                connection.sendall(reply_bytes(*replica.answer()))

        return serve

    replicas = [Replica(number) for number in range(3)]
    for replica in replicas:
        replica.server = raw_server(behaviour(replica))
    return replicas


def urls(replicas: list[Replica]) -> str:
    return ",".join(f"http://{replica.server.address}" for replica in replicas)


def test_connections_are_kept(replicas: list[Replica]) -> None:
    with closing(connect_for_requests(urls(replicas))) as spread:
        answers = {int(spread.infer("m", X, timeout=9)["Y"][0]) for _ in range(60)}
    assert answers == {0, 1, 2}
    assert [replica.server.connections for replica in replicas] == [1, 1, 1]


def test_one_that_is_gone_and_one_that_does_not_serve(replicas: list[Replica]) -> None:
    replicas[0].served = False
    replicas[1].server.stop()
    with closing(connect_for_requests(urls(replicas))) as spread:
        answers = [int(spread.infer("m", X, timeout=9)["Y"][0]) for _ in range(30)]
        many = [int(a["Y"][0]) for a in spread.infer_many("m", [X] * 30, timeout=9)]
    assert answers == many == [2] * 30
    assert replicas[0].requests <= 4


def test_an_answer_that_is_lost_is_not_asked_for_again(replicas: list[Replica]) -> None:
    for replica in replicas:
        replica.broken = True
    with (
        closing(connect(urls(replicas))) as fleet,
        pytest.raises(AnswerLostError, match="before its answer was complete"),
    ):
        fleet.infer("m", X, timeout=9)
    assert sum(replica.requests for replica in replicas) == 1


def test_a_server_that_stays_keeps_its_connections(replicas: list[Replica]) -> None:
    known = replicas[:1]
    clock = FakeClock()

    class Known:
        def find(self) -> list[ServerAddress]:
            return [ServerAddress(url) for url in urls(known).split(",")]

    members = FleetMembers(Known(), _connecting(9.0, None, None))
    spread = Spreading(Membership(members.find, clock=clock), clock=clock)
    with closing(spread):
        spread.infer("m", X, timeout=9)
        known.append(replicas[1])
        clock.advance(31)
        threads = [
            threading.Thread(target=spread.infer, args=("m", X), kwargs={"timeout": 9})
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
            thread.join()
        del known[0]
        clock.advance(31)
        assert {int(spread.infer("m", X, timeout=9)["Y"][0]) for _ in range(9)} == {1}
    assert [replica.server.connections for replica in replicas] == [1, 1, 0]
