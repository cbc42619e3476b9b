from __future__ import annotations

import pytest
from hypothesis import given

from triton_deploy_core.bookkeeping import digests_key, fence_key, journal_key
from triton_deploy_core.errors import NotOursError, StoreError
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin
from triton_deploy_core.records import Record
from triton_deploy_core.testing.strategies import names

NAME = DeploymentName("iris")


@given(names(), names())
def test_bookkeeping_files_are_nobodys_directory_and_nobody_elses(one, other):
    keys = {fence_key(one), journal_key(one), digests_key(one)}
    assert len(keys) == 3
    for key in keys:
        assert not DeploymentName.is_valid(key)
        assert len(key.encode()) <= 255
    if one != other:
        assert keys.isdisjoint({fence_key(other), journal_key(other), digests_key(other)})


def test_a_journal_comes_back_as_it_was_written():
    journal = Journal(
        Phase.UNDO,
        before={"1/m": "tag", "2/": ""},
        inline={"config.pbtxt": b"\x00\xff"},
        copies={"1/m": ".deploy/saved/1/m"},
        hiding=b"",
        stand_in=b"y",
        coming=frozenset({0, 7}),
        was_ready=True,
        settled=b"x",
        settles=True,
        record=b"{}",
        garbage=frozenset({"1/m"}),
    )
    assert Journal.decode(journal.encode(), NAME) == journal


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 10_000,
        Journal(Phase.DELETE).encode().replace(b'"format": 2', b'"format": 1'),
        Journal(Phase.DELETE).encode().replace(b"delete", b"destroy"),
        Journal(Phase.UNDO, before={"../../etc/passwd": "tag"}).encode(),
        Journal(Phase.UNDO, garbage=frozenset({"/etc/passwd"})).encode(),
        Journal(Phase.UNDO, inline={"a/../b": b""}).encode(),
        Journal(Phase.UNDO, copies={"a": "../b"}).encode(),
    ],
)
def test_a_journal_that_can_not_be_trusted_is_refused(data):
    with pytest.raises(StoreError, match="journal"):
        Journal.decode(data, NAME)


def test_a_record_comes_back_as_it_was_written():
    record = Record.of(NAME, "/models/", Origin("models:/iris/1", "onnx"))
    assert record.triton_model_path == "/models/iris"
    assert Record.decode(record.encode(), NAME) == record


def test_a_record_is_such_that_nvidias_plugin_can_read_it():
    """It reads the file as a Python literal: no null, true or false."""
    text = Record.of(NAME, "/models", Origin("m", "onnx")).encode().decode()
    assert not {"null", "true", "false"} & set(text.replace('"', " ").split())


@pytest.mark.parametrize("data", [b"", b"[]", b'"x"', b"{", b"[" * 10_000, b" " * 100_000 + b"{}"])
def test_a_record_that_nobody_can_read_is_refused(data):
    with pytest.raises(NotOursError, match="can't be read"):
        Record.decode(data, NAME)
