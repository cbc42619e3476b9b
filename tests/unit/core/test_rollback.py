"""Going back to a version that the repository keeps: no model, no transfer, nothing lost."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from triton_deploy_core.errors import (
    DeploymentNotFoundError,
    LoadFailedError,
    NoPreviousVersionError,
    NotOursError,
)
from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.store import Content, LocalFile
from triton_deploy_core.testing.store_faults import CountMoments, CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import (
    CONFIG,
    SimulatedWorld,
    ensemble_package,
    tree_package,
    version_package,
)

OTHER_CONFIG = CONFIG + b"dynamic_batching { }\n"
LARGE = b"e" * 100_000


def _package(number: int, config: bytes = CONFIG, **beside: bytes) -> VersionPackage:
    return VersionPackage(
        Origin(f"models:/m/{number}", "onnx", number),
        {"model.onnx": Content(f"weights {number}".encode())},
        config,
        beside={path: Content(data) for path, data in beside.items()},
    )


def _world() -> SimulatedWorld:
    world = SimulatedWorld()
    world.service.create("iris", _package(1, OTHER_CONFIG, **{"labels.txt": b"one"}))
    world.service.update("iris", _package(2, **{"labels.txt": b"two"}))
    return world


@pytest.fixture
def world() -> SimulatedWorld:
    return _world()


def _transferred(world: SimulatedWorld, since: int) -> list[str]:
    calls = world.store.calls[since:]
    return [key for call in calls if call.method == "transfer" for key in call.keys]


def test_the_version_before_serves_as_it_was_deployed(world):
    since = len(world.store.calls)
    done = world.service.rollback("iris")
    assert (done.versions, done.record.mlflow_model_uri) == ((1,), "models:/m/1")
    assert world.serves("iris") == {1: b"weights 1"}
    assert "dynamic_batching" in world.server.config("iris")
    assert world.store.read("iris/labels.txt").data == b"one"
    assert _transferred(world, since) == ["iris/labels.txt"]


def test_going_back_again_returns(world):
    world.service.rollback("iris")
    done = world.service.rollback("iris")
    assert (done.versions, done.record.mlflow_model_uri) == ((2,), "models:/m/2")
    assert world.store.read("iris/labels.txt").data == b"two"
    assert "dynamic_batching" not in world.server.config("iris")


def test_any_version_that_is_kept_can_be_named(world):
    world.service.update("iris", _package(3), keep_versions=2)
    assert world.service.rollback("iris", version=1).versions == (1,)
    # Nothing was removed for that, and the last one to serve comes next.
    assert world.service.rollback("iris").versions == (3,)
    assert world.service.rollback("iris", version=2).versions == (2,)


def test_large_files_beside_the_versions_stay_as_long_as_a_kept_version_needs_them(tmp_path):
    world = SimulatedWorld()
    archive = tmp_path / "env"
    archive.write_bytes(LARGE)
    files: Mapping = {"env-1.tar.gz": LocalFile(archive, len(LARGE))}
    first = _package(1)
    first = VersionPackage(first.origin, first.files, CONFIG, beside=files)
    world.service.create("iris", first)
    world.service.update("iris", _package(2))
    assert world.store.read("iris/env-1.tar.gz").data == LARGE
    since = len(world.store.calls)
    assert world.service.rollback("iris").versions == (1,)
    assert _transferred(world, since) == []
    world.service.update("iris", _package(2))
    world.service.update("iris", _package(3))
    assert "iris/env-1.tar.gz" not in world.store.snapshot()


def test_an_ensemble_goes_back_with_its_parts():
    world = SimulatedWorld()
    world.service.create("iris", ensemble_package(b"pre", b"old"))
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    since = len(world.store.calls)
    done = world.service.rollback("iris")
    assert done.record.parts == ("iris.preprocess.1", "iris.model.1")
    assert world.serves_chain("iris") == [b"pre", b"old"]
    assert all(key.startswith("iris.rehearsal.") for key in _transferred(world, since))
    assert world.service.get("iris").differences == ()
    world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"pre", b"new"]
    # And to a plain model and back, with what of the ensemble is kept.
    world.service.update("iris", version_package(b"plain", 7))
    assert world.service.rollback("iris").record.parts == ("iris.preprocess.1", "iris.model.2")
    assert world.serves_chain("iris") == [b"pre", b"new"]
    done = world.service.rollback("iris")
    assert (world.serves_chain("iris"), done.record.parts) == ([b"plain"], ())


def test_an_ensemble_whose_kept_part_is_broken_does_not_go_back():
    world = SimulatedWorld()
    world.service.create("iris", ensemble_package(b"pre", b"old"))
    world.service.update("iris", ensemble_package(b"pre", b"new"))
    world.store.seed({"iris.model.1/1/model.onnx": b"broken no such op"})
    with pytest.raises(LoadFailedError, match="no such op"):
        world.service.rollback("iris")
    assert world.serves_chain("iris") == [b"pre", b"new"]
    assert world.server.is_ready()


def _refusal(world: SimulatedWorld, name: str = "iris", **how: int) -> str:
    before = world.store.snapshot()
    with pytest.raises(NoPreviousVersionError) as caught:
        world.service.rollback(name, **how)
    assert world.store.snapshot() == before
    return str(caught.value)


def test_where_nothing_is_kept_an_error_says_what_to_do(world):
    world.service.create("new", version_package(b"a", 1))
    assert "keeps no previous version of 'new'" in _refusal(world, "new")
    world.service.create("laid-out", tree_package({"1/model.onnx": b"a", "config.pbtxt": CONFIG}))
    assert "in a layout of its user's" in _refusal(world, "laid-out")
    assert "no previous version 7 in the repository, but 1" in _refusal(world, version=7)
    world.service.update("iris", _package(3), keep_versions=0)
    assert "keep_versions=0" in _refusal(world)


def test_a_version_that_was_changed_or_that_nobody_knows_is_not_trusted(world):
    world.store.seed({"iris/1/model.onnx": b"other bytes"})
    assert "1/model.onnx was changed or removed" in _refusal(world)
    world.store.delete([".iris.@digests"])
    assert "is not written down" in _refusal(world)


def test_damaged_notes_say_nothing(world):
    world.store.seed(
        {".iris.@digests": b'{"format": 1, "recent": [], "files": {}, "remembered": 3}'}
    )
    assert "is not written down" in _refusal(world)


def test_names_without_a_deployment(world):
    with pytest.raises(DeploymentNotFoundError):
        world.service.rollback("nobody")
    world.store.seed({"theirs/1/model.onnx": b"x"})
    with pytest.raises(NotOursError):
        world.service.rollback("theirs")


def test_killed_at_any_moment_it_is_the_one_version_or_the_other(world):
    counter = CountMoments()
    world.new_process(counter)
    world.service.rollback("iris")
    for number in range(counter.count):
        world = _world()
        world.new_process(CrashAt(number))
        with pytest.raises(SimulatedCrash):
            world.service.rollback("iris")
        world.new_process()
        world.server.restart(load_all=True)
        served = world.serves("iris")
        assert served in ({1: b"weights 1"}, {2: b"weights 2"}), number
        world.clock.advance(61)
        world.service.repair()
        assert world.serves("iris") in ({1: b"weights 1"}, {2: b"weights 2"}), number
