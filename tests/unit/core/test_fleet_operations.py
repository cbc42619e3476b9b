"""Fleets: quorum, who was left behind, `servers=`, rolling, and what get and list say."""

from __future__ import annotations

import _thread
import threading
from contextlib import suppress

import pytest

from triton_deploy_core.bookkeeping import behind_key, journal_key
from triton_deploy_core.differences import Kind
from triton_deploy_core.errors import (
    DeploymentNotFoundError,
    InvalidSettingError,
    LoadFailedError,
    LoadTimeoutError,
    NotOursError,
    NotSettledError,
    ServerUnreachableError,
)
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.rollout import Parallelism, Rollout, Strategy
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import ModelState
from triton_deploy_core.repairing import Outcome
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

QUORUM = Rollout(quorum=2)
BEHIND = behind_key(DeploymentName("iris"))


def _world(rollout: Rollout | None = None, *, count: int = 3) -> SimulatedWorld:
    world = SimulatedWorld(fleet_of=count, rollout=rollout)
    world.service.create("iris", version_package(b"old", 1))
    return world


def _served(world: SimulatedWorld, name: str = "iris") -> list[dict[int, bytes]]:
    return [world.serves(name, server) for server in world.servers]


def _tree(content: bytes):
    return tree_package({"config.pbtxt": b'backend: "x"\n', "1/model.onnx": content})


class TestAllOrNothing:
    def test_a_model_that_one_server_cannot_load(self):
        world = _world()
        for server in world.servers[:2]:
            server.has = frozenset({"gpu"})
        before = world.files("iris")
        with pytest.raises(LoadFailedError) as caught:
            world.service.update("iris", version_package(b"needs gpu", 2))
        assert "there is no gpu here" in caught.value.reason
        assert "on 1 of 3 servers: triton-3:8000" in str(caught.value)
        assert _served(world) == [{1: b"old"}] * 3
        assert all(server.is_ready() for server in world.servers)
        assert world.files("iris") == before
        assert not world.unfinished()

    def test_a_create_that_one_server_cannot_load(self):
        world = SimulatedWorld(fleet_of=3)
        world.servers[0].has = frozenset({"gpu"})
        with pytest.raises(LoadFailedError, match="on 2 of 3 servers"):
            world.service.create("iris", version_package(b"needs gpu", 2))
        assert _served(world) == [{}] * 3
        assert all(server.is_ready() for server in world.servers)
        assert world.store.snapshot() == {}

    def test_a_server_that_refuses_and_one_that_dies(self):
        """The one that answers is told to take it back, and is ready."""
        world = _world()
        world.servers[0].has = frozenset({"gpu"})

        def die(call):
            if call.method == "load":
                world.servers[2].kill()

        world.servers[2].before_call = die
        with pytest.raises(LoadFailedError, match="triton-3:8000 could not be told"):
            world.service.update("iris", version_package(b"needs gpu", 2))
        assert _served(world)[:2] == [{1: b"old"}] * 2
        assert all(server.is_ready() for server in world.servers[:2])
        world.servers[2].before_call = None
        world.servers[2].restart()
        assert world.service.repair("iris")[0].outcome is Outcome.REPAIRED
        assert _served(world) == [{1: b"old"}] * 3

    def test_rolling_stops_at_the_first_that_fails(self):
        world = _world(Rollout(Strategy.ROLLING))
        world.servers[0].has = frozenset({"gpu"})
        loads = world.servers[2].load_count("iris")
        with pytest.raises(LoadFailedError, match="on 1 of 3 servers: triton-2:8000"):
            world.service.update("iris", version_package(b"needs gpu", 2))
        assert world.servers[2].load_count("iris") == loads
        assert _served(world) == [{1: b"old"}] * 3
        assert all(server.is_ready() for server in world.servers)

    def test_rolling_goes_on_when_a_server_serves_and_is_ready(self):
        world = _world(Rollout(Strategy.ROLLING))

        def look(call):
            if call.method == "load":
                first = world.servers[0]
                assert world.serves("iris", first) == {2: b"new"}
                assert first.is_ready()

        world.servers[1].before_call = look
        world.service.update("iris", version_package(b"new", 2))
        assert _served(world) == [{2: b"new"}] * 3

    def test_rolling_takes_back_what_a_server_was_too_slow_to_get_over(self):
        """It answers, so it is told: what it is slow at is to let go of the old version."""
        world = _world(Rollout(Strategy.ROLLING))
        world.servers[0].unload_seconds = 10**9
        with pytest.raises(NotSettledError, match="triton-1:8000 was still loading or unloading"):
            world.new_service(timeout=60).update("iris", version_package(b"new", 2))
        assert _served(world) == [{1: b"old"}] * 3

    def test_a_share_of_the_fleet_at_a_time(self):
        world = _world(Rollout(Strategy.ROLLING, Parallelism.parse("50%")), count=4)
        order = []
        for server in world.servers:
            server.before_call = lambda call, url=server.url: (
                order.append(url) if call.method == "load" else None
            )
        world.service.update("iris", version_package(b"new", 2))
        assert {frozenset(order[:2]), frozenset(order[2:])} == {
            frozenset({"triton-1:8000", "triton-2:8000"}),
            frozenset({"triton-3:8000", "triton-4:8000"}),
        }

    def test_servers_that_it_was_for_before_are_told_nothing(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-1,triton-2")
        loads = [server.load_count("iris") for server in world.servers[:2]]
        with pytest.raises(LoadFailedError, match="still serves"):
            world.service.update("iris", version_package(b"broken", 2), servers="triton-3")
        assert [server.load_count("iris") for server in world.servers[:2]] == loads
        assert _served(world) == [{1: b"old"}, {1: b"old"}, {}]
        assert all(server.is_ready() for server in world.servers)
        assert not world.unfinished()

    def test_one_server_that_hangs_keeps_no_other_from_being_told(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-1,triton-2")
        with pytest.raises(LoadTimeoutError, match="triton-3:8000 could not be told"):
            world.service.update("iris", version_package(b"hang", 2), servers="triton-3")
        assert _served(world) == [{1: b"old"}, {1: b"old"}, {}]


class TestQuorum:
    def test_without_one_all_must_answer(self):
        world = _world()
        world.servers[1].kill()
        before = world.store.snapshot()
        with pytest.raises(ServerUnreachableError, match="triton-2") as caught:
            world.service.update("iris", version_package(b"new", 2))
        assert "quorum=N" in str(caught.value)
        assert world.store.snapshot() == before

    def test_none_answers_and_no_quorum_would_help(self):
        world = _world()
        for server in world.servers:
            server.kill()
        with pytest.raises(ServerUnreachableError) as caught:
            world.service.update("iris", version_package(b"new", 2))
        assert "quorum" not in str(caught.value)

    def test_too_few_answer(self):
        world = _world(QUORUM)
        world.servers[0].kill()
        world.servers[1].stopped = True
        before = world.store.snapshot()
        with pytest.raises(ServerUnreachableError, match=r"1 answered, and the quorum is 2\."):
            world.service.update("iris", version_package(b"new", 2))
        assert world.store.snapshot() == before

    @pytest.mark.parametrize("nth", range(1, 8))
    def test_a_server_that_dies_at_any_call_is_left_behind_and_caught_up(self, nth):
        world = _world(QUORUM)
        lost, count = world.servers[2], 0

        def die(call):
            nonlocal count
            count += 1
            if count == nth:
                lost.kill()

        lost.before_call = die
        world.service.update("iris", version_package(b"new", 2))
        assert _served(world)[:2] == [{2: b"new"}] * 2
        assert not world.unfinished()
        found = world.service.get("iris")
        assert found.versions == (2,)
        if count >= nth:
            assert str(found.servers["triton-3:8000"]).startswith("does not answer: ")
            assert [one.kind for one in found.differences] == [Kind.SILENT]
        lost.before_call = None
        lost.restart()
        world.service.repair()
        assert _served(world) == [{2: b"new"}] * 3
        assert world.service.get("iris").differences == ()
        assert BEHIND not in world.store.snapshot()

    def test_a_server_that_refuses_is_a_failure_all_the_same(self):
        world = _world(QUORUM)
        world.servers[0].has = world.servers[1].has = frozenset({"gpu"})
        with pytest.raises(LoadFailedError, match="no gpu"):
            world.service.update("iris", version_package(b"needs gpu", 2))
        assert _served(world) == [{1: b"old"}] * 3

    def test_a_partition_during_an_update_in_place(self, warnings_told):
        """The number is the same, so only the bookkeeping tells that its content is not."""
        world = SimulatedWorld(fleet_of=3, rollout=QUORUM)
        world.service.create("iris", _tree(b"old"))
        lost = world.servers[1]
        lost.reachable = False
        done = world.service.update("iris", _tree(b"new"))
        assert done.differences[0].text.startswith("triton-2:8000 was left behind: no connection")
        (told,) = warnings_told()
        assert told.startswith("Went on with 'iris' without triton-2:8000. When they are back, ")
        lost.reachable = True
        assert _served(world) == [{1: b"new"}, {1: b"old"}, {1: b"new"}]
        (difference,) = world.service.get("iris").differences
        assert difference.text.startswith("triton-2:8000 was left behind: no connection")
        assert difference.is_repairable
        assert world.service.repair("iris")[0].done == ("loaded version 1",)
        assert _served(world) == [{1: b"new"}] * 3
        assert world.service.get("iris").differences == ()
        assert BEHIND not in world.store.snapshot()

    def test_the_next_update_catches_up_too(self):
        world = SimulatedWorld(fleet_of=3, rollout=QUORUM)
        world.service.create("iris", _tree(b"old"))
        world.servers[1].reachable = False
        world.service.update("iris", _tree(b"new"))
        world.servers[1].reachable = True
        world.service.update("iris", _tree(b"new"))
        assert _served(world) == [{1: b"new"}] * 3
        assert BEHIND not in world.store.snapshot()

    def test_repair_does_what_it_can(self):
        world = _world(QUORUM)
        world.servers[1].reachable = False
        world.servers[2].restart()
        assert world.service.repair("iris")[0].outcome is Outcome.REPAIRED
        assert world.serves("iris", world.servers[2]) == {1: b"old"}
        assert "triton-2:8000" in world.store.snapshot()[BEHIND].decode()
        world.servers[1].reachable = True
        world.service.repair("iris")
        assert BEHIND not in world.store.snapshot()

    def test_a_version_that_failed_on_a_server_that_was_lost_then_is_healed(self):
        """It is unready for a version that nobody serves: repair lends the number."""
        world = _world(QUORUM)
        lost, loads = world.servers[2], 0
        world.servers[0].has = world.servers[1].has = frozenset({"gpu"})

        def be_lost_after_it(call):
            nonlocal loads
            loads += call.method == "load"
            lost.reachable = loads < 2

        lost.before_call = be_lost_after_it
        with pytest.raises(LoadFailedError, match="no gpu"):
            world.service.update("iris", version_package(b"needs gpu", 5))
        world.service.update("iris", version_package(b"new", 2))
        lost.before_call, lost.reachable = None, True
        assert not lost.is_ready()
        assert world.serves("iris", lost) == {1: b"old"}
        assert world.service.repair("iris")[0].outcome is Outcome.REPAIRED
        assert _served(world) == [_served(world)[0]] * 3
        assert all(server.is_ready() for server in world.servers)
        assert not world.unfinished()
        assert world.service.get("iris").differences == ()


class TestSomebodyElseTakesItUp:
    """Whoever does so may know one of the servers only, as who looks after that one does."""

    def _repair_the_first(self, world: SimulatedWorld) -> None:
        one = SimulatedWorld()
        one.store, one.servers, one.clock = world.store, world.servers[:1], world.clock
        (report,) = one.new_service().repair("iris")
        assert report.outcome is Outcome.REPAIRED

    def test_an_update_in_place(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", _tree(b"old"))

        def die(call):
            if call.method == "ready_versions":
                raise SimulatedCrash

        for server in world.servers:
            server.before_call = die
        with pytest.raises(SimulatedCrash):
            world.service.update("iris", _tree(b"new"))
        for server in world.servers:
            server.before_call = None
        world.new_process()
        world.clock.advance(1000)
        self._repair_the_first(world)
        assert _served(world) == [{1: b"old"}, {1: b"new"}, {1: b"new"}]
        differences = world.service.get("iris").differences
        assert [one.kind for one in differences] == [Kind.SERVER] * 2
        assert "who took it up did not know this server" in differences[0].text
        world.service.repair("iris")
        assert _served(world) == [{1: b"old"}] * 3
        assert world.service.get("iris").differences == ()
        assert BEHIND not in world.store.snapshot()

    def test_a_delete(self):
        world = _world()
        fleet = frozenset(server.url for server in world.servers)
        journal = Journal(Phase.DELETE, fleet=fleet)
        world.store.seed({journal_key(DeploymentName("iris")): journal.encode()})
        self._repair_the_first(world)
        assert _served(world) == [{}, {1: b"old"}, {1: b"old"}]
        assert world.service.repair()[0].outcome is Outcome.REPAIRED
        assert _served(world) == [{}] * 3
        assert world.store.snapshot() == {}


class TestForgetting:
    """A pod that was scaled away never comes back under its URL."""

    def _without_one(self) -> SimulatedWorld:
        world = _world(QUORUM)
        world.servers[0].reachable = False
        world.service.update("iris", version_package(b"new", 2))
        return world

    def _scale_down(self, world: SimulatedWorld, days: float) -> None:
        del world.servers[0]
        world.service = world.new_service()
        world.clock.advance(days * 24 * 3600)

    @pytest.mark.parametrize(("days", "is_known"), [(29, True), (31, False)])
    def test_a_server_that_is_none_any_more(self, days, is_known):
        world = self._without_one()
        self._scale_down(world, days)
        world.service.update("iris", version_package(b"newer", 3))
        assert (BEHIND in world.store.snapshot()) is is_known

    def test_one_that_missed_a_delete(self):
        world = self._without_one()
        world.service.delete("iris")
        self._scale_down(world, 29)
        assert world.service.repair() == []
        assert list(world.store.snapshot()) == [BEHIND]
        world.clock.advance(2 * 24 * 3600)
        world.service.repair()
        assert world.store.snapshot() == {}

    def test_one_that_is_still_meant_to_be_there_is_never_forgotten(self):
        world = self._without_one()
        world.clock.advance(1000 * 24 * 3600)
        world.service.update("iris", version_package(b"newer", 3))
        world.clock.advance(1000 * 24 * 3600)
        world.service.repair()
        world.service.delete("iris")
        world.clock.advance(1000 * 24 * 3600)
        world.service.repair()
        assert "triton-1:8000" in world.store.snapshot()[BEHIND].decode()
        world.servers[0].reachable = True
        world.service.repair()
        assert _served(world) == [{}] * 3
        assert world.store.snapshot() == {}


class TestDelete:
    def test_a_quorum_does_without_servers_that_do_not_answer_not_those_that_are_slow(self):
        world = _world(QUORUM)
        for server, seconds in zip(world.servers, (10**9, 0, 0), strict=True):
            server.unload_seconds = seconds
        before = world.files("iris")
        with pytest.raises(NotSettledError, match="triton-1:8000 was still"):
            world.new_service(timeout=60).delete("iris")
        assert world.files("iris") == before

    def test_who_missed_it_unloads_when_it_is_back(self):
        world = _world(QUORUM)
        lost = world.servers[0]
        lost.reachable = False
        world.service.delete("iris")
        assert world.files("iris") == {}
        with pytest.raises(DeploymentNotFoundError):
            world.service.get("iris")
        lost.reachable = True
        assert world.serves("iris", lost) == {1: b"old"}
        (report,) = world.service.repair()
        assert report.done == ("unloaded it from triton-1:8000",)
        assert _served(world) == [{}] * 3
        assert all(server.is_ready() for server in world.servers)
        assert world.service.repair() == []
        assert world.store.snapshot() == {}

    def test_a_create_under_the_name_comes_first(self):
        world = _world(QUORUM)
        world.servers[0].reachable = False
        world.service.delete("iris")
        world.servers[0].reachable = True
        world.service.require_new("iris")
        world.service.create("iris", version_package(b"again", 1))
        assert _served(world) == [{1: b"again"}] * 3
        assert BEHIND not in world.store.snapshot()

    def test_a_stranger_is_none_of_those(self):
        world = SimulatedWorld({"iris/1/model.onnx": b"theirs"}, fleet_of=2)
        world.servers[1].load("iris", timeout=10)
        world.store.delete(["iris/1/model.onnx"])
        with pytest.raises(NotOursError, match=r"^triton-2:8000 serves"):
            world.service.create("iris", version_package(b"x", 1))

    def test_a_server_that_is_gone_for_good_keeps_nobody_busy(self):
        world = _world(QUORUM)
        world.servers[0].reachable = False
        world.service.delete("iris")
        world.servers = world.servers[1:]
        assert world.new_service().repair() == []


class TestServers:
    def test_a_deployment_for_some_servers(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-1,TRITON-2:*")
        assert _served(world) == [{1: b"old"}, {1: b"old"}, {}]
        world.servers[2].kill()
        found = world.service.get("iris")
        assert (found.versions, found.servers, found.differences) == ((1,), {}, ())
        assert found.record.servers == "triton-1,TRITON-2:*"
        world.service.update("iris", version_package(b"new", 2))
        assert _served(world) == [{2: b"new"}, {2: b"new"}, {}]
        world.service.delete("iris")
        assert _served(world) == [{}] * 3

    def test_an_update_changes_for_whom_it_is(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-[12]")
        package = version_package(b"new", 2)
        world.service.update("iris", package, servers="triton-[23]")
        assert _served(world) == [{}, {2: b"new"}, {2: b"new"}]
        world.service.update("iris", package, servers="triton-3")
        assert _served(world) == [{}, {}, {2: b"new"}]
        world.service.update("iris", package, servers="*")
        assert _served(world) == [{2: b"new"}] * 3
        assert all(server.is_ready() for server in world.servers)

    def test_a_change_that_fails_is_taken_back_on_both_sides(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-[12]")
        world.servers[1].has = frozenset({"gpu"})
        before = world.store.snapshot()
        with pytest.raises(LoadFailedError):
            world.service.update("iris", version_package(b"needs gpu", 2), servers="triton-[23]")
        assert _served(world) == [{1: b"old"}, {1: b"old"}, {}]
        assert all(server.is_ready() for server in world.servers)
        assert {key: data for key, data in world.store.snapshot().items() if key[0] != "."} == {
            key: data for key, data in before.items() if key[0] != "."
        }

    def test_repair_unloads_where_it_does_not_belong(self):
        world = SimulatedWorld(fleet_of=2)
        world.service.create("iris", version_package(b"old", 1), servers="triton-1")
        world.servers[1].load("iris", timeout=10)
        (difference,) = world.service.get("iris").differences
        assert difference.text == "it is for servers=triton-1, but triton-2:8000 serves it too"
        assert world.service.repair("iris")[0].done == ("unloaded it from triton-2:8000",)
        assert _served(world) == [{1: b"old"}, {}]

    def test_an_update_that_died_is_finished_when_its_servers_are_no_more(self):
        def start() -> SimulatedWorld:
            world = SimulatedWorld(fleet_of=2)
            world.service.create("iris", version_package(b"old", 1), servers="triton-1")
            return world

        counter = SuddenDeath()
        world = start()
        world.new_process(death=counter)
        world.service.update("iris", version_package(b"new", 2))
        for step in range(counter.steps):
            world = start()
            world.new_process(death=SuddenDeath(after=step))
            with suppress(SimulatedCrash):
                world.service.update("iris", version_package(b"new", 2))
            world.servers = world.servers[1:]
            world.new_process()
            world.clock.advance(3600)
            world.service.update("iris", version_package(b"newer", 3), servers="triton-2")
            assert _served(world) == [{3: b"newer"}]
            assert not world.unfinished()

    def test_patterns_that_match_nothing(self):
        world = _world()
        before = world.store.snapshot()
        with pytest.raises(InvalidSettingError, match="servers='gpu-\\*' matches no server"):
            world.service.update("iris", version_package(b"new", 2), servers="gpu-*")
        assert world.store.snapshot() == before

    def test_servers_that_are_no_more(self):
        world = SimulatedWorld(fleet_of=3)
        world.service.create("iris", version_package(b"old", 1), servers="triton-1")
        world.servers = world.servers[1:]
        world.service = world.new_service()
        found = world.service.get("iris")
        assert found.state is ModelState.UNKNOWN
        assert "matches no server" in found.differences[0].text
        world.service.update("iris", version_package(b"new", 2), servers="triton-2")
        assert _served(world) == [{2: b"new"}, {}]
        world.service.delete("iris")
        assert world.store.snapshot() == {}


class TestGetAndList:
    def test_servers_that_say_the_same(self):
        world = _world()
        for found in (world.service.get("iris"), *world.service.list()):
            assert (found.versions, found.state, found.servers) == ((1,), ModelState.READY, {})

    def test_a_server_that_came_back_empty_and_one_that_is_gone(self):
        world = _world()
        world.servers[1].restart()
        world.servers[2].kill()
        for found in (world.service.get("iris"), *world.service.list()):
            assert (found.versions, found.state) == ((), ModelState.UNKNOWN)
            assert found.reason.startswith("triton-2:8000: not loaded since the server started")
            assert {url: str(one).split(":")[0] for url, one in found.servers.items()} == {
                "triton-1:8000": "READY version 1",
                "triton-2:8000": "UNKNOWN (not loaded since the server started",
                "triton-3:8000": "does not answer",
            }
        assert [one.text.split(":")[0] for one in world.service.get("iris").differences] == [
            "config.pbtxt picks version 1, triton-2",
            "triton-3",
        ]

    def test_none_answers(self):
        world = _world()
        for server in world.servers:
            server.kill()
        with pytest.raises(ServerUnreachableError, match="on 3 of 3 servers"):
            world.service.get("iris")
        with pytest.raises(ServerUnreachableError):
            world.service.list()

    def test_a_damaged_record(self):
        world = _world()
        world.store.seed({"iris/mlflow-meta.json": b"{"})
        for found in (world.service.get("iris"), *world.service.list()):
            assert (found.versions, found.differences[0].kind) == ((1,), Kind.RECORD)

    def test_repair_brings_back_an_empty_server_alone(self):
        world = _world()
        world.servers[1].restart()
        before = [server.load_count("iris") for server in world.servers]
        assert world.service.repair("iris")[0].done == ("loaded version 1",)
        after = [server.load_count("iris") for server in world.servers]
        assert (after[0], after[1], after[2]) == (before[0], before[1] + 1, before[2])


class TestInterrupts:
    def test_nobody_waits_for_the_slowest(self):
        world = _world()
        go_on = threading.Event()

        def hang(call):
            if call.method == "load":
                assert go_on.wait(60)

        def interrupt(call):
            if call.method == "load":
                _thread.interrupt_main()

        world.servers[0].before_call, world.servers[2].before_call = interrupt, hang
        before = world.files("iris")
        with pytest.raises(KeyboardInterrupt):
            world.service.update("iris", version_package(b"new", 2))
        assert not go_on.is_set()
        assert world.files("iris") == before
        workers = [thread for thread in threading.enumerate() if thread.name == "fleet"]
        assert all(thread.daemon for thread in workers)
        go_on.set()
        for thread in workers:
            thread.join(60)
        for server in world.servers:
            server.before_call = None
        world.service.repair("iris")
        assert _served(world) == [{1: b"old"}] * 3
        assert not world.unfinished()


class TestManyServers:
    COUNT = 100

    def test_an_update_takes_as_many_rounds_as_that_of_one(self):
        """Each round of calls is under way on all servers at once."""
        one, many = _world(count=1), _world(count=self.COUNT)
        for server in (*one.servers, *many.servers):
            server.unload_seconds = 0.0  # how often it is polled is for the clock to say
        asked = len(one.server.calls)
        one.service.update("iris", version_package(b"new", 2))
        rounds = [call.method for call in one.server.calls[asked:]]
        before = [len(server.calls) for server in many.servers]
        together = threading.Barrier(self.COUNT, timeout=60)
        for server in many.servers:
            server.before_call = lambda _: together.wait() and None
        many.service.update("iris", version_package(b"new", 2))
        for server in many.servers:
            server.before_call = None
        calls = [
            [call.method for call in server.calls[start:]]
            for server, start in zip(many.servers, before, strict=True)
        ]
        assert calls == [rounds] * self.COUNT
        assert _served(many) == [{2: b"new"}] * self.COUNT

    def test_no_more_at_a_time_than_the_bound(self):
        world = _world(Rollout(parallelism=Parallelism(count=7)), count=self.COUNT)
        lock, now, most = threading.Lock(), 0, 0

        def enter(_):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)

        def leave(_):
            nonlocal now
            with lock:
                now -= 1

        for server in world.servers:
            server.before_call, server.after_call = enter, leave
        world.service.update("iris", version_package(b"new", 2))
        assert most <= 7
        assert _served(world) == [{2: b"new"}] * self.COUNT

    def test_one_of_many_fails(self):
        world = _world(count=self.COUNT)
        for server in world.servers[:-1]:
            server.has = frozenset({"gpu"})
        with pytest.raises(LoadFailedError, match="on 1 of 100 servers: triton-100:8000"):
            world.service.update("iris", version_package(b"needs gpu", 2))
        assert _served(world) == [{1: b"old"}] * self.COUNT
        assert all(server.is_ready() for server in world.servers)


def test_a_fleet_without_servers_is_refused():
    with pytest.raises(InvalidSettingError, match="has no server"):
        Fleet([], url="dns+grpc://triton:8001")


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "101%", "0%", "1.5"])
def test_a_parallelism_that_is_none(text):
    with pytest.raises(InvalidSettingError, match="such as 25%"):
        Parallelism.parse(text)


def test_a_quorum_that_is_none():
    with pytest.raises(InvalidSettingError, match="quorum=0"):
        Rollout(quorum=0)
