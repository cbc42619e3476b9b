"""All or nothing: whatever befalls one server in an update, all that answer serve the old model."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from triton_deploy_transport.testing_cut import CuttableProxy

JOURNAL = ".x.@journal"


def test_one_is_killed_in_the_middle_of_an_update(fleet):
    client = fleet.client()
    client.create_deployment("x", fleet.model(1))
    before = fleet.objects()
    with fleet.loading(2) as updating:
        fleet.kill(2)
    with pytest.raises(MlflowException, match=r"on 1 of 3 servers: \S+127.0.0.3") as failed:
        updating.result()
    assert "The model that was deployed before still serves." in str(failed.value)
    fleet.assert_serves("x", 1, on=[1, 3], left=[JOURNAL])
    assert {key: data for key, data in fleet.objects().items() if key != JOURNAL} == before
    # It comes back, empty, and is the one thing to repair.
    fleet.start(2)
    assert fleet.answers("x") == {1: 1, 2: None, 3: 1}
    assert f"{fleet.grpc(2)}: UN" in client.get_deployment("x")["servers"]
    (report,) = client.repair_deployments()
    assert report["outcome"] == "repaired"
    fleet.assert_serves("x", 1)
    assert fleet.objects() == before


def test_one_fails_to_load(fleet):
    fleet.client().create_deployment("x", fleet.model(1))
    before = fleet.objects()
    with fleet.refused(2, on=3):
        failed = fleet.click("update", "--name", "x", "-m", fleet.model(2, version=2))
    assert "no such weights on server 3" in failed.complaint
    assert f"on 1 of 3 servers: {fleet.grpc(3)}" in failed.complaint
    fleet.assert_serves("x", 1)
    assert fleet.objects() == before
    # So does a create.
    with fleet.refused(3, on=1):
        failed = fleet.click("create", "--name", "y", "-m", fleet.model(3))
    assert "no such weights on server 1" in failed.complaint
    fleet.assert_serves("y", None)
    assert fleet.objects() == before


def test_one_hangs_and_another_is_cut_off(fleet, monkeypatch):
    with CuttableProxy(fleet.tritons[2].grpc_url) as proxy:
        behind_it = f"grpc://{proxy.address}"
        monkeypatch.setenv("TRITON_URL", f"{fleet.http(1)},{fleet.grpc(2)},{behind_it}")
        client = fleet.client()
        client.create_deployment("x", fleet.model(1))
        before = fleet.objects()
        monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", str(fleet.request_seconds))
        with fleet.loading(2, timeout=fleet.load_seconds) as updating:
            fleet.freeze(1)
            proxy.cut()
        with pytest.raises(MlflowException, match="on 2 of 3 servers") as failed:
            updating.result()
        assert "could not be told to take it back" in str(failed.value)
        assert fleet.http(1) in str(failed.value)
        assert behind_it in str(failed.value)
        fleet.assert_serves("x", 1, on=[2], left=[JOURNAL])
        # Nobody could tell it to take the new model back.
        assert fleet.answers("x", on=[3]) == {3: 2}
        assert f"{behind_it}: does not answer" in client.get_deployment("x")["servers"]
        fleet.thaw()
        proxy.mend()
        monkeypatch.setenv("TRITON_REQUEST_TIMEOUT", "30")
        client.repair_deployments()
        fleet.assert_serves("x", 1)
        assert fleet.objects() == before
