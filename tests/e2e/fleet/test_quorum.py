"""Operations that go on without servers that do not answer, and what brings these up again."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

BEHIND = ".x.@behind"


def test_one_is_down_and_comes_back_empty(fleet):
    client = fleet.client()
    client.create_deployment("x", fleet.model(1))
    fleet.kill(3)
    with pytest.raises(MlflowException, match=fleet.host(3)):
        client.update_deployment("x", fleet.model(2, version=2))
    with pytest.raises(MlflowException, match="quorum"):
        client.update_deployment("x", fleet.model(2, version=2), config={"quorum": 3})
    fleet.assert_serves("x", 1, on=[1, 2])
    client.update_deployment("x", fleet.model(2, version=2), config={"quorum": 2})
    fleet.assert_serves("x", 2, 2, on=[1, 2], left=[BEHIND])
    shown = client.get_deployment("x")
    assert (shown["version"], shown["state"]) == ("2", "READY")
    assert f"{fleet.grpc(3)}: does not answer" in shown["servers"]
    # A repair with that quorum does what it can, and forgets nobody.
    client.repair_deployments(config={"quorum": 2})
    fleet.assert_serves("x", 2, 2, on=[1, 2], left=[BEHIND])
    fleet.start(3)
    shown = client.get_deployment("x")
    assert f"{fleet.grpc(1)}: READY version 2" in shown["servers"]
    assert f"{fleet.grpc(3)}: UNKNOWN" in shown["servers"]
    assert "repair" in shown
    client.repair_deployments()
    fleet.assert_serves("x", 2, 2)
    assert {"servers", "differences", "repair"}.isdisjoint(client.get_deployment("x"))


def test_one_hangs_and_comes_back_with_what_it_had(fleet, monkeypatch):
    client = fleet.client()
    client.create_deployment("x", fleet.model(1))
    client.create_deployment("y", fleet.model(3))
    monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", str(fleet.request_seconds))
    fleet.freeze(1)
    client.update_deployment("x", fleet.model(2), config={"quorum": 2})
    client.delete_deployment("y", config={"quorum": 2})
    fleet.assert_serves("x", 2, on=[2, 3], left=[BEHIND, ".y.@behind"])
    fleet.assert_serves("y", None, on=[2, 3], left=[BEHIND, ".y.@behind"])
    (listed,) = client.list_deployments()
    assert listed["state"] == "READY"
    fleet.thaw()
    monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", "30")
    # The same version, of other files: what it serves does not show that it is behind.
    assert fleet.answers("x") == {1: 1, 2: 2, 3: 2}
    assert fleet.answers("y") == {1: 3, 2: None, 3: None}
    shown = client.get_deployment("x")
    assert f"{fleet.grpc(1)} was left behind" in shown["differences"]
    assert "repair" in shown
    client.repair_deployments()
    fleet.assert_serves("x", 2)
    fleet.assert_serves("y", None)
