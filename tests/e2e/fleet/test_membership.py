"""Servers that come and go, that differ, and that are told one after another."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException


def test_one_is_added_and_one_starts_again_empty(fleet):
    fleet.named(1, 2)
    client = fleet.client()
    client.create_deployment("x", fleet.model(1))
    fleet.assert_serves("x", 1, on=[1, 2])
    assert fleet.answers("x", on=[3]) == {3: None}
    fleet.named(1, 2, 3)
    shown = client.get_deployment("x")
    assert f"{fleet.grpc(1)}: READY version 1" in shown["servers"]
    assert f"{fleet.grpc(3)}: UN" in shown["servers"]  # UNKNOWN, or unloaded before
    assert {client.predict("x", {"IN": [0.0]})["outputs"]["SERVER"][0] for _ in range(20)} == {1, 2}
    assert fleet.click("update", "--name", "x", "-C", "repair=true").status == 0
    fleet.assert_serves("x", 1)
    fleet.kill(1)
    fleet.start(1)
    assert "repair" in client.get_deployment("x")
    client.repair_deployments()
    fleet.assert_serves("x", 1)
    assert "repair" not in client.get_deployment("x")


def test_rolling_goes_from_one_to_the_next_and_stops_where_one_fails(fleet):
    client = fleet.client()
    rolling = {"strategy": "rolling"}
    client.create_deployment("x", fleet.model(1), config=rolling)
    order = [(number, event) for number, event, _ in fleet.seen()]
    assert order == [(number, event) for number in fleet.all for event in ("loads", "loaded")]
    with fleet.refused(2, on=2), pytest.raises(MlflowException, match="no such weights"):
        client.update_deployment("x", fleet.model(2), config=rolling)
    assert (1, "loaded", 2) in fleet.seen()
    assert (3, "loads", 2) not in fleet.seen()
    fleet.assert_serves("x", 1)
    assert (
        fleet.click(
            *("update", "--name", "x", "-m", fleet.model(4)),
            *("-C", "strategy=rolling", "-C", "parallelism=60%"),
        ).status
        == 0
    )
    seen = [(number, event) for number, event, answer in fleet.seen() if answer == 4]
    assert sorted(seen[:4]) == [(n, event) for n in (1, 2) for event in ("loaded", "loads")]
    assert seen[4:] == [(3, "loads"), (3, "loaded")]


def test_some_serve_what_others_can_not_load(fleet):
    client = fleet.client()
    with fleet.refused(1, on=2):
        client.create_deployment("x", fleet.model(1), config={"servers": "127.0.0.2,*.4"})
    fleet.assert_serves("x", 1, on=[1, 3])
    fleet.assert_serves("x", None, on=[2])
    shown = client.get_deployment("x")
    assert {"servers", "differences"}.isdisjoint(shown) or "127.0.0.3" not in str(shown)
    client.update_deployment("x", fleet.model(2))
    fleet.assert_serves("x", 2, on=[1, 3])
    assert fleet.answers("x", on=[2]) == {2: None}
    client.update_deployment("x", fleet.model(2), config={"servers": "127.0.0.2,127.0.0.3"})
    fleet.assert_serves("x", 2, on=[1, 2])
    fleet.assert_serves("x", None, on=[3])
    client.delete_deployment("x")
    fleet.assert_serves("x", None)
