"""Trees of every shape in the place of every other: put there, and put back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_deploy_core.errors import InvalidPackageError, LoadFailedError
from triton_deploy_core.files import SAVED
from triton_deploy_core.keys import displaced, enclosing, without_implied
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.strategies import trees
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

ENSEMBLE = {"config.pbtxt": b'platform: "ensemble"\n'}
CONFIG = {"config.pbtxt": b'backend: "x"\n'}
LARGE = b"w" * 100_000
SHAPES = [
    pytest.param(CONFIG | {"1/m": b"a"}, id="plain"),
    pytest.param(ENSEMBLE | {"1/": b""}, id="marker"),
    pytest.param(CONFIG | {"1/m": b"b", "data": b"file"}, id="file"),
    pytest.param(CONFIG | {"1/m": b"c", "data/x": b"in a directory", "data/y/z": LARGE}, id="deep"),
    pytest.param(CONFIG | {"1/m": LARGE, "data/": b"", "1/sub/": b""}, id="markers-beside"),
    pytest.param(CONFIG | {"1/m/n": b"d", "03/m": b"ignored", "0/m": b"zero"}, id="odd-versions"),
    pytest.param(
        CONFIG | {"1/m": b"e"} | {f"1/{i}": b"x" for i in range(50)} | {"1/z/": b""}, id="many"
    ),
    pytest.param(CONFIG | {"1/a b\\c\nd": b"f", "1/\udcff": b"g", "1/m": b""}, id="odd-names"),
]


@pytest.mark.parametrize("old", SHAPES)
@pytest.mark.parametrize("new", SHAPES)
def test_each_takes_the_place_of_each(old, new):
    world = SimulatedWorld()
    world.service.create("iris", tree_package(old))
    world.service.update("iris", tree_package(new))
    assert world.files("iris") == new


@pytest.mark.parametrize("old", SHAPES)
@pytest.mark.parametrize("new", SHAPES)
def test_each_is_put_back_where_the_other_fails(old, new):
    world = SimulatedWorld()
    world.service.create("iris", tree_package(old))
    before = world.store.snapshot()
    with pytest.raises(LoadFailedError):
        world.service.update(
            "iris", tree_package(new | CONFIG | {"1/broken": b"broken", "9/": b""})
        )
    assert world.store.snapshot() == before
    assert world.server.is_ready()


def test_a_failed_number_heals_though_large_files_were_put_back_before():
    world = SimulatedWorld()
    world.service.create("iris", tree_package(CONFIG | {"1/m": LARGE}))
    before = world.store.snapshot()
    with pytest.raises(LoadFailedError, match="still serves"):
        world.service.update("iris", tree_package(CONFIG | {"1/m": b"new", "3/m": b"broken"}))
    assert world.store.snapshot() == before
    assert world.server.is_ready()


def test_a_hidden_version_that_fails_heals():
    def pinned(number):
        return b'backend: "x" version_policy { specific { versions: [%d] } }' % number

    world = SimulatedWorld()
    old = {"config.pbtxt": pinned(1), "1/m": b"a", "2/m": b"never served"}
    world.service.create("iris", tree_package(old))
    with pytest.raises(LoadFailedError):
        world.service.update(
            "iris", tree_package({"config.pbtxt": pinned(2), "1/m": b"a", "2/m": b"broken"})
        )
    assert world.files("iris") == old
    assert world.server.is_ready()


@pytest.mark.parametrize("old", SHAPES)
def test_back_and_forth_between_layouts(old):
    world = SimulatedWorld()
    world.service.create("iris", tree_package(old))
    world.service.update("iris", version_package(b"one", 2, beside={"data/x": b"", "labels": b""}))
    assert list(world.serves("iris").values()) == [b"one"]
    world.service.update("iris", version_package(b"two", 2, beside={"data": b"", "labels/a": b""}))
    assert list(world.serves("iris").values()) == [b"two"]
    with pytest.raises(LoadFailedError):
        world.service.update(
            "iris", version_package(b"broken", beside={"data/": b"", "labels": b""})
        )
    assert {"data", "labels/a"} <= set(world.files("iris"))
    world.service.update("iris", tree_package(old))
    assert world.files("iris") == old


def test_a_record_in_a_model_is_not_taken_for_the_deployments():
    world = SimulatedWorld()
    stranger = {"mlflow-meta.json": b'{"name": "stranger"}'}
    world.service.create("iris", tree_package(CONFIG | {"1/m": b"a"} | stranger))
    world.service.update("iris", tree_package(CONFIG | {"1/m": b"b"} | stranger))
    world.service.update("iris", version_package(b"c", beside=stranger))
    assert world.service.get("iris").record.flavor == "onnx"


def test_a_model_may_not_bring_what_looks_like_bookkeeping():
    world = SimulatedWorld()
    with pytest.raises(InvalidPackageError, match=r"\.deploy/ is kept"):
        world.service.create("iris", tree_package(CONFIG | {"1/m": b"a", ".deploy/saved/1/m": b""}))
    assert world.store.snapshot() == {}


def test_what_triton_puts_into_a_version_goes_with_it():
    """Its python backend writes ``__pycache__`` into a local repository when it loads a model."""
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"zero", 1))
    world.service.update("iris", version_package(b"one", 2))

    def compile_it(call):
        if call.method == "load" and world.store.snapshot().get("iris/3/model.onnx"):
            world.store.seed({f"iris/{number}/__pycache__/m.pyc": b"" for number in (1, 2, 3)})

    world.server.after_call = compile_it
    world.service.update("iris", version_package(b"two", 3))
    assert {path.partition("/")[0] for path in world.files("iris")} == {"2", "3", "config.pbtxt"}
    before = world.files("iris")
    world.server.after_call = lambda call: world.store.seed({"iris/4/__pycache__/m.pyc": b""})
    with pytest.raises(LoadFailedError):
        world.service.update("iris", version_package(b"broken", 4))
    world.server.after_call = None
    world.service.update("iris", version_package(b"five", 5))
    assert "2/model.onnx" in before
    assert not any(path.startswith("4/") for path in world.files("iris"))
    world.service.delete("iris")
    assert world.store.snapshot() == {}


OLD = CONFIG | {"1/m": LARGE, "1/old": b"o", "data": b"file", "2/": b"", "2/m": b"old too"}
NEW = CONFIG | {"1/m": b"n" * 100_001, "data/x": b"directory", "3/m": b"new"}


@pytest.mark.parametrize("fails", [False, True], ids=["good", "bad"])
def test_an_update_in_place_that_dies_is_undone_or_finished_by_the_next_operation(fails):
    old = {path: data for path, data in OLD.items() if path != "2/"}
    new = NEW | ({"3/m": b"broken"} if fails else {})

    def world_with(faults=None):
        world = SimulatedWorld()
        world.service.create("iris", tree_package(old))
        world.service.create("iris2", version_package(b"neighbour"))
        world.new_process(faults)
        return world

    counter = CountMoments()
    with suppress(LoadFailedError):
        world_with(counter).service.update("iris", tree_package(new))
    for number in range(counter.count):
        world = world_with(CrashAt(number))
        with suppress(SimulatedCrash, LoadFailedError):
            world.service.update("iris", tree_package(new))
        # The server that runs on serves one of the two, whole.
        _assert_whole(world, old, new, number)
        # The first who repairs dies too, a little later each time.
        world.new_process(CrashAt(number % 17))
        world.clock.advance(3600)
        with suppress(SimulatedCrash):
            world.service.require_existing("iris")
        world.new_process()
        world.clock.advance(3600)
        world.service.require_existing("iris")
        assert world.files("iris") in (old, new), f"crash at moment {number}"
        _assert_whole(world, old, new, number)
        assert world.server.is_ready(), f"crash at moment {number}"
        assert world.serves("iris2") == {1: b"neighbour"}


def _assert_whole(world, old, new, number):
    served = {}
    for version, files in world.server.served("iris").items():
        if files.get(f"{version}/m") == old["2/m"] and f"{version}/m" not in old:
            continue  # the number that failed, lent to the old version to heal the readiness
        served |= {
            path: data
            for path, data in files.items()
            if path != RECORD_FILE and not path.startswith(SAVED)
        }
    assert any(served.items() <= tree.items() for tree in (old, new)), f"crash at moment {number}"


@given(trees(), trees())
def test_displaced_keys_are_those_that_can_not_stand_together(old, new):
    gone = displaced(old, new)
    kept = set(old) - gone
    both = kept | set(new)
    assert without_implied(both) == both
    assert not any(d.removesuffix("/") in both for key in both for d in enclosing(key))
    store = MemoryStore(old)
    store.delete(gone)
    store.seed(new)
    assert set(store.snapshot()) == both


@given(st.data(), trees(min_size=1))
def test_nothing_is_displaced_without_need(data, tree):
    some = data.draw(st.sets(st.sampled_from(sorted(tree))))
    assert displaced(tree, some) == set()
