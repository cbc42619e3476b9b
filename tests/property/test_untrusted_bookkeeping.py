"""Whatever bytes lie in a shared repository: a value or our error, and no path outside of it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_deploy_core.behind import Behind, Straggler
from triton_deploy_core.bookkeeping import behind_key, digests_key, fence_key, journal_key, name_of
from triton_deploy_core.digests import Digests
from triton_deploy_core.errors import DamagedRecordError, DeployError, StoreError
from triton_deploy_core.fence import Fence
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.keys import check_key
from triton_deploy_core.layout import MAX_VERSION
from triton_deploy_core.lease import LEASE_SECONDS, LeaseRecord
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.records import Record
from triton_deploy_core.testing.world import SimulatedWorld, version_package

NAME = DeploymentName("iris")
BOMBS = [
    b"[" * 100_000,
    b'{"name":' * 50_000,
    b'{"name": "iris", "flavor": ' + b"[" * 900 + b"]" * 900 + b"}",
    b"9" * 5_000,
    b'{"since": 1e999, "until": NaN, "coming": [1e999]}',
    b'{"holder": "x", "operation": "y", "token": "t", "since": 0, "until": 1' + b"0" * 400 + b"}",
    b'{"name": "iris", "mlflow_model_uri": "\\ud800", "flavor": "\\u0000\\u001b[2J"}',
    b"\xff\xfe\x00",
    b"null",
]
PATHS = st.sampled_from(
    ["../other/x", "/etc/passwd", "a/../../b", "", ".", "a//b", "a\0b", "\ud800", "1/model.onnx"]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | PATHS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
JOURNAL = json.loads(Journal(Phase.UNDO).encode())
LEASE = json.loads(
    LeaseRecord("me", "update", "t", 1.0, 2.0, journal=Journal(Phase.UNDO).fields()).encode()
)
FENCE = json.loads(Fence(frozenset({1, 2}), frozenset({2})).encode())
BEHIND = json.loads(Behind({"simulated:8000": Straggler("gone", frozenset({3}), 1.0)}).encode())


def _altered(fields: dict[str, object]) -> st.SearchStrategy[bytes]:
    """A file as we write it, some of its fields replaced by anything."""
    values = JUNK | st.lists(PATHS, max_size=3) | st.dictionaries(PATHS, st.text(max_size=8))
    replaced = st.dictionaries(st.sampled_from(sorted(fields)), values, max_size=4)
    return replaced.map(lambda other: json.dumps({**fields, **other}).encode())


def _files(fields: dict[str, object]) -> st.SearchStrategy[bytes]:
    return st.sampled_from(BOMBS) | st.binary(max_size=60) | _altered(fields)


@given(_files({"name": "iris", "flavor": "onnx", "mlflow_model_uri": "x"}))
def test_a_record(data):
    with suppress(DamagedRecordError):
        record = Record.decode(data, NAME)
        assert record.name == NAME
        assert all(isinstance(text, str) for text in (record.flavor, record.mlflow_model_uri))


@given(_files(LEASE), st.floats(min_value=0, max_value=4e9))
def test_a_lease_never_holds_for_long(data, age):
    with suppress(StoreError):
        lease = LeaseRecord.decode(data, NAME)
        assert lease.described.isprintable()
        assert not lease.is_held(lambda: age) or age < LEASE_SECONDS


@given(_files(FENCE))
def test_a_fence(data):
    assert all(0 <= number <= MAX_VERSION for number in Fence.decode(data).versions)


@settings(max_examples=300)
@given(_files(JOURNAL))
def test_a_journal_names_no_path_outside_of_the_model(data):
    with suppress(StoreError):
        journal = Journal.decode(data, NAME)
        assert all(0 <= number <= MAX_VERSION for number in journal.coming)
        for path in {
            *journal.before,
            *journal.inline,
            *journal.copies,
            *journal.copies.values(),
            *journal.garbage,
        }:
            check_key(path)


@given(_files({"iris": ["a", 1, "b"]}))
def test_digests(data):
    Digests.decode(data)


@given(st.text(max_size=40) | st.sampled_from([".a/b.@lease", "...@lease", ".\u0661.@x", ".é.@x"]))
def test_a_key_of_a_bookkeeping_file(key):
    name = name_of(key)
    assert name is None or key.startswith(f".{name}.@")


@settings(max_examples=60)
@given(
    journal=st.none() | _files(JOURNAL),
    lease=st.none() | _files(LEASE),
    record=st.none() | st.sampled_from(BOMBS),
    digests=st.none() | st.sampled_from(BOMBS),
    fence=st.none() | _files(FENCE),
)
def test_whatever_lies_there_every_operation_ends_in_order_and_neighbours_stay(
    journal, lease, record, digests, fence
):
    world = SimulatedWorld({"other/1/model.onnx": b"theirs", "x": b"a file in the root"})
    world.service.create("iris", version_package(b"one", 1))
    files = {
        journal_key(NAME): lease if journal is None else journal,
        fence_key(NAME): fence,
        digests_key(NAME): digests,
        "iris/mlflow-meta.json": record,
    }
    world.store.seed({key: data for key, data in files.items() if data is not None})
    world.service.list()
    for act in (
        world.service.repair,
        lambda: world.service.get("iris"),
        lambda: world.service.update("iris", version_package(b"two", 2)),
        lambda: world.service.delete("iris"),
    ):
        with suppress(DeployError):
            act()
    after = world.store.snapshot()
    assert (after["other/1/model.onnx"], after["x"]) == (b"theirs", b"a file in the root")
    own = {fence_key(NAME), journal_key(NAME), digests_key(NAME), behind_key(NAME)}
    assert {key.split("/")[0] for key in after} <= {"other", "x", "iris", *own}


@pytest.mark.parametrize("name", ["a", "a.b", "x" * 180])
def test_a_bookkeeping_file_tells_its_name(name):
    assert name_of(journal_key(DeploymentName(name))) == DeploymentName(name)
    assert name_of(journal_key(DeploymentName(name + "y" * 70 + "z"))) in {
        DeploymentName(name + "y" * 70 + "z"),
        None,
    }


@given(_files(BEHIND))
def test_who_was_left_behind(data):
    for one in Behind.decode(data).servers.values():
        assert isinstance(one.why, str)
        assert all(number >= 0 for number in one.coming)


@settings(max_examples=25)
@given(_files(BEHIND))
def test_a_repository_with_such_a_file_can_be_worked_with(data):
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"weights", 1))
    world.store.seed({behind_key(NAME): data})
    world.service.get("iris")
    world.service.repair()
    world.service.update("iris", version_package(b"new", 2))
    assert set(world.serves("iris").values()) == {b"new"}
