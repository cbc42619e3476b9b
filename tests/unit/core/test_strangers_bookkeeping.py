"""Bookkeeping that a stranger wrote is data: refused in one line, for that name only."""

from __future__ import annotations

import json

import pytest

from triton_deploy_core.errors import StoreError
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.lease import LeaseRecord
from triton_deploy_core.repairing import Outcome
from triton_deploy_core.testing.world import SimulatedWorld, version_package


def _journal(**fields: object) -> bytes:
    return json.dumps({**Journal(Phase.UNDO).fields(), **fields}).encode()


def _held(**fields: object) -> bytes:
    lease = LeaseRecord("x", "update", "", 0.0, 0.0, journal=json.loads(_journal(**fields)))
    return lease.encode()


HIGH = 2**63
JOURNALS = {
    "cut off": _journal()[:-20],
    "huge": _journal(record="QUJD" * (10 << 18)),
    "a list": b"[]",
    "a number": b"7",
    "deep": b'{"phase":' * 5000,
    "another format": _journal(format=99),
    "an unknown phase": _journal(phase="explode"),
    "a path upwards": _journal(inline={"../other/config.pbtxt": "QUJD"}),
    "an absolute path": _journal(garbage=["/etc/passwd"]),
    "another deployment's file": _journal(copies={"1/model.onnx": "../other/1/model.onnx"}),
    "the store's own lock": _journal(garbage=[".triton-deploy.lock"]),
    "an unfinished file of the store's": _journal(before={f"1/.triton-deploy-{'0' * 32}.tmp": "t"}),
    "a version that aborts": _journal(coming=[HIGH]),
    "a version directory that aborts": _journal(garbage=[f"{HIGH}/model.onnx"]),
    "a negative version": _journal(coming=[-1]),
    "a version that is none": _journal(coming=[True]),
    "a text for a truth": _journal(was_ready="no"),
    "no base64": _journal(hiding="%%%"),
    "an address that is none": _journal(fleet=["http://a\n"]),
    "within a lease": _held(garbage=["../other/1/model.onnx"]),
}


@pytest.mark.parametrize("data", JOURNALS.values(), ids=JOURNALS.keys())
def test_a_journal_is_refused_and_nothing_else_is(data):
    world = SimulatedWorld()
    for name in ("iris", "other"):
        world.service.create(name, version_package(name.encode(), 1))
    world.store.seed({".iris.@journal": data})
    before = world.store.snapshot()
    world.server.restart()

    assert [deployment.name for deployment in world.service.list()] == ["iris", "other"]
    with pytest.raises(StoreError) as caught:
        world.service.update("iris", version_package(b"new", 2))
    assert "\n" not in str(caught.value)
    assert "iris" in str(caught.value)
    for reports in (world.service.repair(), world.service.reconciler().round().reports):
        found = {report.name: report for report in reports}
        assert found["iris"].outcome is Outcome.FAILED
        assert "\n" not in str(found["iris"].error)
        assert found["other"].outcome is not Outcome.FAILED
    assert world.serves("other") == {1: b"other"}
    after = world.store.snapshot()
    assert {key: after[key] for key in after if key != ".iris.@journal"} == {
        key: before[key] for key in before if key != ".iris.@journal"
    }
    if data[:1] != b"{" or b'"holder"' not in data:
        assert after[".iris.@journal"] == data or b'"holder"' in after[".iris.@journal"]


RECORDS = {
    "cut off": b'{"name": "iris", "flav',
    "huge": b'{"name": "iris", "flavor": "' + b"x" * (10 << 20) + b'"}',
    "another name's": b'{"name": "other"}',
    "wrong types": b'{"name": ["iris"]}',
    "a list": b"[]",
}


@pytest.mark.parametrize("data", RECORDS.values(), ids=RECORDS.keys())
def test_a_record_is_shown_as_damaged_and_the_others_are_repaired(data):
    world = SimulatedWorld()
    for name in ("iris", "other"):
        world.service.create(name, version_package(name.encode(), 1))
    world.store.seed({"iris/mlflow-meta.json": data})
    world.server.restart()
    iris, other = world.service.list()
    assert iris.differences
    assert not other.differences
    outcomes = {report.name: report.outcome for report in world.service.repair()}
    assert outcomes == {"iris": Outcome.FAILED, "other": Outcome.REPAIRED}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"format": 1, "versions": ["2"], "arriving": [true]}',
        b"x" * (10 << 20),
    ],
)
@pytest.mark.parametrize("key", [".iris.@fence", ".iris.@digests", ".iris.@behind"])
def test_what_is_not_needed_is_passed_over(key, data):
    world = SimulatedWorld(is_object_store=True)
    world.service.create("iris", version_package(b"one", 1))
    world.store.seed({key: data})
    world.service.update("iris", version_package(b"two", 2))
    assert world.serves("iris") == {2: b"two"}
    world.service.repair()
    world.service.delete("iris")
    assert not [name for name in world.store.snapshot() if name.startswith("iris/")]
