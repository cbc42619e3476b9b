from __future__ import annotations

from mlflow_triton.descriptions import describe
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin
from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.records import Record

RECORD = Record.of(DeploymentName("iris"), "/models", Origin("models:/iris/3", "onnx", 3))
COMMON = {
    "name": "iris",
    "triton_model_path": "/models/iris",
    "mlflow_model_uri": "models:/iris/3",
    "flavor": "onnx",
}


def test_one_that_serves():
    assert describe(Deployment.ready(RECORD, [3])) == COMMON | {"version": "3", "state": "READY"}


def test_the_keys_come_as_users_of_nvidias_plugin_know_them():
    assert list(describe(Deployment.ready(RECORD, [3]))) == [
        "name",
        "version",
        "state",
        "triton_model_path",
        "mlflow_model_uri",
        "flavor",
    ]


def test_several_versions():
    shown = describe(Deployment.ready(RECORD, [10, 9]))
    assert (shown["version"], shown["versions"]) == ("10", "9, 10")


def test_one_that_failed():
    row = IndexEntry("iris", 3, ModelState.UNAVAILABLE, "no such operator")
    shown = describe(Deployment.not_ready(RECORD, [row]))
    assert (shown["version"], shown["state"]) == ("3", "UNAVAILABLE")
    assert shown["reason"] == "no such operator"


def test_one_that_the_server_has_never_loaded():
    shown = describe(Deployment.not_ready(RECORD, [IndexEntry("iris", None, ModelState.UNKNOWN)]))
    assert (shown["version"], shown["state"]) == ("", "UNKNOWN")
    assert shown["reason"].startswith("not loaded since the server started: repair it")


def test_every_value_is_text():
    shown = describe(Deployment.not_ready(RECORD, []))
    assert all(isinstance(value, str) for value in shown.values())
