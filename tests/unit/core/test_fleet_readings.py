"""What a fleet says, of what its servers say; the names that its servers have."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import (
    LoadFailedError,
    LoadTimeoutError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.failures import listed, merged
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.readings import merged_index, summed
from triton_deploy_core.ports.server import IndexEntry, ModelState, VersionStatistics
from triton_deploy_core.server_names import matches, names_of
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulated_fleet import simulated_servers

READY, LOADING, FAILED = ModelState.READY, ModelState.LOADING, ModelState.UNAVAILABLE
BROKEN = IndexEntry("m", 3, FAILED, "x")


@pytest.fixture
def servers():
    clock = FakeClock()
    store = MemoryStore({"m/config.pbtxt": b'backend: "x"\n', "m/1/model.onnx": b"x"}, clock=clock)
    return simulated_servers(3, store, clock)


def test_of_states_that_differ_the_one_that_matters_most():
    rows = {
        "a": [
            IndexEntry("m", 1, READY),
            IndexEntry("m", 2, READY),
            BROKEN,
        ],
        "b": [IndexEntry("m", 2, FAILED, "no"), IndexEntry("m", 1, LOADING)],
        "c": [BROKEN, IndexEntry("n", None, ModelState.UNKNOWN)],
    }
    assert merged_index(rows) == [
        IndexEntry("m", 1, LOADING),
        IndexEntry("m", 2, FAILED, "b: no"),
        BROKEN,
        IndexEntry("n", None, ModelState.UNKNOWN),
    ]


def test_statistics_are_summed_by_version():
    def row(version: int, count: int) -> VersionStatistics:
        return VersionStatistics("m", version, count, count, count, 1, 10 * count, 100 * count)

    assert summed([[row(2, 3)], [row(1, 1), row(2, 4)]]) == [
        row(1, 1),
        VersionStatistics("m", 2, 7, 7, 7, 2, 70, 700),
    ]


def test_what_serves_is_what_serves_everywhere(servers):
    fleet = Fleet(servers)
    fleet.load("m", timeout=10)
    assert (fleet.ready_versions("m"), fleet.loaded()) == ({1}, {("m", 1)})
    servers[1].restart()
    assert (fleet.ready_versions("m"), fleet.loaded()) == (frozenset(), frozenset())
    assert fleet.metadata("m").versions == (1,)
    servers[0].restart()
    assert [row.version for row in fleet.statistics("m")] == [1]


def test_a_url_that_is_given_twice_is_one_server(servers):
    fleet = Fleet([*servers, servers[0]])
    assert len(fleet.servers()) == 3
    assert fleet.url == "triton-1:8000, triton-2:8000, triton-3:8000"
    assert Fleet(servers, url="dns+http://triton:8000").url == "dns+http://triton:8000"


def test_a_part_shares_its_servers(servers):
    fleet = Fleet(servers)
    assert fleet.part({server.url for server in servers}) is fleet
    assert fleet.part(()) is None
    part = fleet.part({"triton-2:8000", "else:8000"})
    assert part is not None
    assert list(part.servers()) == [servers[1]]
    assert part.url == "triton-2:8000"


def test_servers_are_matched_by_all_their_names(servers):
    fleet = Fleet([Member(servers[0], frozenset({"gpu-pod-0", "node7"})), *servers[1:]])
    assert fleet.matching(["GPU-*"]) == {"triton-1:8000"}
    assert fleet.matching(["triton-[23]", "node?"]) == {server.url for server in servers}
    assert fleet.matching([]) == frozenset()
    assert servers[0].matching(["triton-1"]) == {"triton-1:8000"}
    assert servers[0].matching(["triton-2"]) == frozenset()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("grpcs://Host.example:8001", "host.*"),
        ("http://[fd00::1]:8000", "fd00::1"),
        ("http://host:8000/triton/a", "http://*/a"),
        ("host:8000", "host:8000"),
    ],
)
def test_names_of_a_url(url, name):
    assert matches(names_of(url), [name])


def test_the_worst_is_what_is_said_of_many():
    failures = {
        "a": ServerUnreachableError("no connection to a."),
        "b": LoadTimeoutError("b was still loading."),
        "c": LoadFailedError("c could not load 'm': no.", reason="no"),
        "d": ServerTimeoutError("d."),
    }
    error = merged(failures, servers=9)
    assert isinstance(error, LoadFailedError)
    assert error.reason == "no"
    assert str(error) == (
        "c could not load 'm': no. So it went on 1 of 9 servers: c. "
        "No answer that could be used came from a, b, d."
    )
    assert error.failures.keys() == failures.keys()
    del failures["c"]
    assert isinstance(merged(failures, servers=9), LoadTimeoutError)


def test_many_urls_are_not_all_named():
    assert listed(f"s{number}" for number in range(7)) == "s0, s1, s2, s3, s4 and 2 more"
