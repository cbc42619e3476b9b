"""Law 4: whatever fails at whatever moment, all is as before, or all is done."""

from __future__ import annotations

from contextlib import suppress

import pytest

from triton_deploy_core.errors import (
    DeployError,
    DeploymentBusyError,
    DeploymentNotFoundError,
    LoadFailedError,
    LoadTimeoutError,
    NotSettledError,
    ServerTimeoutError,
    ServerUnreachableError,
    StoreUnavailableError,
)
from triton_deploy_core.lease import LeaseRecord
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.testing.simulated_calls import FailNth, ServerCall
from triton_deploy_core.testing.store_faults import CountMoments, FailAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

NAME = DeploymentName("iris")
OLD, NEW = b"old weights", b"new weights"
USERS = b'backend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n'
LARGE = b"w" * 100_000
OLD_TREE = {"config.pbtxt": USERS, "1/model.onnx": OLD, "1/large": LARGE, "2/model.onnx": OLD}
NEW_TREE = {"config.pbtxt": USERS, "1/model.onnx": NEW, "1/large/x": b"", "3/model.onnx": NEW}
CASES = [
    pytest.param(None, version_package(NEW, 1), id="create"),
    pytest.param(None, tree_package(NEW_TREE), id="create-tree"),
    pytest.param(version_package(OLD, 1), version_package(NEW, 2), id="update"),
    pytest.param(
        version_package(OLD, 1), version_package(NEW, 2, user_config=USERS), id="update-to-users"
    ),
    pytest.param(tree_package(OLD_TREE), version_package(NEW, 2), id="update-tree"),
    pytest.param(tree_package(OLD_TREE), tree_package(NEW_TREE), id="update-in-place"),
]


def _world(old) -> SimulatedWorld:
    world = SimulatedWorld({"other/config.pbtxt": USERS, "other/1/model.onnx": b"other"})
    if old is not None:
        world.service.create("iris", old)
    return world


def _act(world, old, new) -> None:
    (world.service.create if old is None else world.service.update)("iris", new)


def _models(world) -> dict[str, bytes]:
    return {key: data for key, data in world.store.snapshot().items() if "/" in key}


def _check(world, before, contents, where) -> None:
    """All is as before and no bookkeeping is left, and what served before does."""
    assert world.store.snapshot() == before, where
    assert set(world.serves("iris").values()) == contents, where
    world.clock.advance(5)
    assert world.server.is_ready(), where


@pytest.mark.parametrize(("old", "new"), CASES)
def test_an_error_of_the_repository_at_any_moment(old, new):
    counter = CountMoments()
    world = _world(old)
    world.store.faults = counter
    base = world.store._moments
    _act(world, old, new)
    for number in range(base, base + counter.count):
        world = _world(old)
        before, contents = world.store.snapshot(), set(world.serves("iris").values())
        world.store.faults = FailAt(frozenset({number}))
        try:
            _act(world, old, new)
        except StoreUnavailableError:
            _check(world, before, contents, f"moment {number}")
        world.store.faults = None
        with suppress(DeployError):
            world.service.require_existing("iris")
        assert set(world.serves("iris").values()) in (contents, {NEW}), f"moment {number}"
        # A lease that could not be given back runs out; nothing else stays.
        world.clock.advance(61)
        with suppress(DeployError):
            world.service.require_existing("iris")
        assert not any("@journal" in key for key in world.store.snapshot()), f"moment {number}"


@pytest.mark.parametrize(("old", "new"), CASES)
def test_a_repository_that_goes_away_at_any_moment_and_comes_back(old, new):
    counter = CountMoments()
    world = _world(old)
    base = world.store._moments
    world.store.faults = counter
    _act(world, old, new)
    for number in range(base, base + counter.count):
        world = _world(old)
        models, contents = _models(world), set(world.serves("iris").values())
        world.store.faults = FailAt(frozenset(range(number, number + 10_000)))
        with suppress(StoreUnavailableError):
            _act(world, old, new)
        world.store.faults = None
        world.clock.advance(3600)
        with suppress(DeploymentNotFoundError):
            world.service.require_existing("iris")
        served = set(world.serves("iris").values())
        assert served in (contents, {NEW}), f"moment {number}"
        if served == contents:
            assert _models(world) == models, f"moment {number}"
        assert world.server.is_ready()


METHODS = ["load", "unload", "is_ready", "ready_versions", "index"]
ERRORS = [
    ServerUnreachableError("refused"),
    ServerTimeoutError("no answer"),
    LoadTimeoutError("still loading"),
    LoadFailedError("made up", reason="made up"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize(
    ("when", "error"),
    [
        pytest.param(when, error, id=f"{when}-{type(error).__name__}")
        for when in ("before_call", "after_call")
        for error in ERRORS
        # Whoever answers that a load failed did not carry it out.
        if (when, type(error)) != ("after_call", LoadFailedError)
    ],
)
@pytest.mark.parametrize("broken", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize(("old", "new"), CASES)
def test_an_error_of_the_server_at_any_call(old, new, broken, when, error):
    if broken:
        new = (
            tree_package(NEW_TREE | {"3/model.onnx": b"broken"})
            if new is CASES[-1].values[1]
            else version_package(b"broken", 7)
        )
    world = _world(old)
    calls = len(world.server.calls)
    with suppress(LoadFailedError):
        _act(world, old, new)
    for nth in range(1, len(world.server.calls) - calls + 1):
        world = _world(old)
        models, contents = _models(world), set(world.serves("iris").values())
        setattr(world.server, when, FailNth(error, nth=nth))
        try:
            _act(world, old, new)
        except (DeployError, KeyboardInterrupt):
            journal = ".iris.@journal" in world.store.snapshot()
            if not journal:
                assert _models(world) == models, f"call {nth}"
        setattr(world.server, when, None)
        with suppress(DeploymentNotFoundError):
            world.service.require_existing("iris")
        served = set(world.serves("iris").values())
        assert served in (contents, {NEW}), f"call {nth}"
        if served == contents:
            assert _models(world) == models, f"call {nth}"
        assert world.unfinished() == [], f"call {nth}"
        world.clock.advance(5)
        if not isinstance(error, LoadFailedError) or not broken:
            assert world.server.is_ready(), f"call {nth}"


def test_the_answer_to_the_final_note_is_lost_and_so_is_the_repository_then():
    """The journal must not go on saying that all is done while the undo is under way."""
    notes = 0

    def lose(moment):
        nonlocal notes
        if moment.key == ".iris.@journal" and moment.call.method == "write" and moment.done:
            notes += 1
            if notes == 3:
                raise StoreUnavailableError("lost")
        if notes >= 4 and moment.call.method == "delete" and moment.key.startswith("iris/"):
            raise StoreUnavailableError("lost again")

    world = _world(version_package(OLD, 1, user_config=USERS))
    models = _models(world)
    world.store.faults = lose
    with pytest.raises(StoreUnavailableError, match="next operation on it"):
        world.service.update("iris", version_package(NEW, 2, user_config=USERS))
    world.store.faults = None
    world.service.require_existing("iris")
    assert _models(world) == models
    assert world.serves("iris") == {1: OLD}


def test_a_failed_update_leaves_what_it_did_not_change_unwritten():
    """Each write makes Triton load the old version once more."""
    world = _world(version_package(OLD, 1))
    with pytest.raises(LoadFailedError):
        world.service.update("iris", version_package(b"broken", 2))
    loads, modified = world.server.load_count("iris", 1), world.store.modified("iris/1/")
    with pytest.raises(LoadFailedError):
        world.service.update("iris", version_package(b"broken", 2))
    assert world.server.load_count("iris", 1) == loads
    assert world.store.modified("iris/1/") == modified


def test_a_holder_that_lost_its_lease_leaves_the_others_deployment_alone():
    """It was stuck for so long that another took over, and created the name itself."""
    world = SimulatedWorld()
    later = world.clock.now() + 3600
    theirs = LeaseRecord("them", "create", "theirs", later, later + 60, journal={"of": "them"})

    def take_over(call):
        if call.method == "load":
            world.server.after_call = None
            world.clock.advance(3600)
            world.store.seed({".iris.@journal": theirs.encode()})

    world.server.after_call = take_over
    with pytest.raises(DeploymentBusyError, match="another is at work"):
        world.service.create("iris", version_package(NEW))
    assert world.serves("iris") == {1: NEW}
    assert LeaseRecord.decode(world.store.snapshot()[".iris.@journal"], NAME) == theirs


def test_a_load_that_outlives_its_deadline_and_ends_well_is_taken_back_by_the_next_operation():
    world = SimulatedWorld()
    with pytest.raises(LoadTimeoutError):
        world.new_service(timeout=30).create("iris", version_package(b"slow 60"))
    world.clock.advance(120)
    assert list(world.server.served("iris")) == [1]
    world.service.create("iris", version_package(NEW))
    assert world.serves("iris") == {1: NEW}
    with pytest.raises(LoadTimeoutError):
        world.new_service(timeout=30).update("iris", version_package(b"slow 60", 5))
    world.clock.advance(120)
    world.service.require_existing("iris")
    assert world.serves("iris") == {1: NEW}


@pytest.mark.parametrize("old", [None, version_package(OLD)], ids=["create", "update"])
def test_an_interrupted_load_is_not_waited_for_and_taken_back_by_the_next_operation(old):
    world = _world(old)
    before = _models(world)
    world.server.after_call = FailNth(KeyboardInterrupt(), method="load")
    told = len(world.server.calls)
    with pytest.raises(KeyboardInterrupt):
        _act(world, old, version_package(NEW, 2))
    asked = [call.method for call in world.server.calls[told:] if call.name == "iris"]
    assert asked[-1] == "load"
    assert _models(world) == before
    world.service.delete("iris")
    assert not any(key.startswith((".", "iris")) for key in world.store.snapshot())
    assert world.serves("iris") == {}


def test_a_deployment_that_does_not_load_any_more_can_be_replaced_and_deleted():
    for act in ("replace", "delete", "fail"):
        world = _world(version_package(OLD, 1, user_config=USERS))
        # Interrupted when it served, with its user's policy still to be written.
        world.server.before_call = FailNth(LoadTimeoutError("slow"), nth=3, method="load")
        world.service.update("iris", version_package(NEW, 2, user_config=USERS))
        world.server.before_call = FailNth(LoadTimeoutError("slow"), nth=2, method="load")
        world.service.update("iris", version_package(b"newer", 3, user_config=USERS))
        assert ".iris.@journal" in world.store.snapshot()
        world.server.before_call = None
        world.store.seed({"iris/3/model.onnx": b"broken by hand"})
        world.server.restart(load_all=True)
        if act == "replace":
            world.service.update("iris", version_package(OLD, 4))
            assert world.serves("iris") == {4: OLD}
        elif act == "delete":
            world.service.delete("iris")
            assert _models(world).keys() == {"other/config.pbtxt", "other/1/model.onnx"}
        else:
            with pytest.raises(LoadFailedError, match=r"is back but does not load: .*by hand"):
                world.service.update("iris", version_package(b"broken too", 4))
            assert world.unfinished() == []


@pytest.mark.parametrize("old", [None, version_package(OLD)], ids=["create", "update"])
def test_a_crash_in_the_readiness_trap_is_healed_by_the_next_operation(old):
    world = _world(old)

    def crash(moment):
        calls = world.server.calls
        if moment.changes and calls and calls[-1] == ServerCall("load", "iris"):
            raise SimulatedCrash

    world.store.faults = crash
    with suppress(SimulatedCrash):
        _act(world, old, version_package(b"broken", 2))
    assert not world.server.is_ready()
    world.new_process()
    world.clock.advance(3600)
    with suppress(DeploymentNotFoundError):
        world.service.require_existing("iris")
    assert world.server.is_ready()
    assert set(world.serves("iris").values()) == (set() if old is None else {OLD})


def test_an_update_returns_when_the_old_version_is_gone_and_the_server_ready():
    world = _world(version_package(OLD, 1))
    world.service.update("iris", version_package(NEW, 2))
    assert world.server.is_ready()


def test_a_server_that_was_not_ready_for_a_moment_is_healed_too():
    world = _world(version_package(OLD, 1))
    world.store.seed({"sick/1/model.onnx": b"broken"})
    with pytest.raises(LoadFailedError):
        world.server.load("sick", timeout=1)
    with pytest.raises(LoadFailedError):
        world.service.update("iris", version_package(b"broken", 2))
    with pytest.raises(LoadFailedError):
        world.service.create("iris2", version_package(b"broken", 2))
    world.store.seed({"sick/1/model.onnx": b"well"})
    world.server.load("sick", timeout=1)
    world.clock.advance(5)
    assert world.server.is_ready()


def test_healing_that_fails_puts_the_files_back():
    world = _world(version_package(OLD, 1))
    before = world.store.snapshot()
    # The loads of a failed update: the new version, the old one again, and one that heals.
    world.server.before_call = FailNth(
        LoadFailedError("out of memory", reason="out of memory"), nth=3, method="load"
    )
    with pytest.raises(LoadFailedError, match="not ready since then"):
        world.service.update("iris", version_package(b"broken", 2))
    assert world.store.snapshot() == before
    assert world.serves("iris") == {1: OLD}


def test_no_call_waits_for_ever_for_a_version_that_stays_on_its_way():
    world = _world(version_package(OLD, 1))
    world.server.unload_seconds = 10**9
    began = world.clock.monotonic()
    with pytest.raises(NotSettledError, match="still loading or unloading 'iris'"):
        world.new_service(timeout=60).delete("iris")
    assert world.clock.monotonic() - began < 120


def test_a_kept_version_that_does_not_load_any_more_lends_its_number_and_is_kept():
    """Its own files are what failed, or do not go with the other version's configuration."""
    world = _world(None)
    world.server.has = frozenset({"gpu"})
    world.service.create("iris", version_package(b"needs gpu", 1))
    world.service.update("iris", version_package(b"new", 2))
    world.server.has = frozenset()
    before = world.files("iris")
    with pytest.raises(LoadFailedError, match="still serves"):
        world.service.update("iris", version_package(b"needs gpu", 1))
    assert world.server.is_ready()
    assert world.serves("iris") == {2: b"new"}
    assert world.files("iris") == before
    assert not world.unfinished()
