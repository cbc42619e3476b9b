"""Versions above 2^63 - 1, which abort the whole of Triton: refused, reported, never loaded."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import DeployError, InvalidPackageError
from triton_deploy_core.layout import MAX_VERSION
from triton_deploy_core.repairing import Outcome
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

ABSURD = MAX_VERSION + 1
CONFIG = b'backend: "onnxruntime"\nmax_batch_size: 0\n'


@pytest.mark.parametrize("directory", [str(ABSURD), "9" * 100, f"{ABSURD}tmp"])
def test_a_package_with_one_is_refused_before_anything_is_touched(directory):
    world = SimulatedWorld()
    package = tree_package(
        {"config.pbtxt": CONFIG, "1/model.onnx": b"1", f"{directory}/model.onnx": b"x"}
    )
    with pytest.raises(InvalidPackageError, match=f"highest version is {MAX_VERSION}"):
        world.service.create("iris", package)
    assert world.store.snapshot() == {}


def test_the_highest_number_is_a_version():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"high", MAX_VERSION))
    assert world.serves("iris") == {MAX_VERSION: b"high"}
    with pytest.raises(InvalidPackageError, match="highest version"):
        world.service.update("iris", version_package(b"higher", MAX_VERSION + 1))
    assert world.serves("iris") == {MAX_VERSION: b"high"}


@pytest.fixture
def world():
    """A deployment into which somebody has put such a directory, beside one that is as it was."""
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"one", 1))
    world.service.update("iris", version_package(b"two", 2))
    world.service.create("other", version_package(b"other", 1))
    world.store.seed({f"iris/{ABSURD}/model.onnx": b"x"})
    return world


def test_one_in_a_repository_is_reported(world):
    (difference,) = world.service.get("iris").differences
    assert str(ABSURD) in difference.text
    assert [deployment.name for deployment in world.service.list()] == ["iris", "other"]


@pytest.mark.parametrize(
    "act",
    [
        lambda service: service.update("iris", version_package(b"three", 3)),
        lambda service: service.rollback("iris"),
        lambda service: service.update("iris", version_package(b"two", 2), force=True),
    ],
)
def test_one_in_a_repository_is_never_loaded(world, act):
    before, calls = world.store.snapshot(), len(world.server.calls)
    with pytest.raises(DeployError, match="aborts the whole server"):
        act(world.service)
    assert world.store.snapshot() == before
    assert not [call for call in world.server.calls[calls:] if call.method == "load"]


def test_repair_and_reconcile_go_on_to_the_others(world):
    world.server.restart()
    for reports in (world.service.repair(), world.service.reconciler().round().reports):
        outcomes = {report.name: report.outcome for report in reports}
        assert outcomes["iris"] is Outcome.FAILED
        assert outcomes["other"] is not Outcome.FAILED
    assert world.serves("iris") == {}
    assert world.serves("other") == {1: b"other"}


def test_it_can_be_deleted(world):
    world.service.delete("iris")
    assert {key.partition("/")[0] for key in world.store.snapshot()} == {"other", ".other.@digests"}
