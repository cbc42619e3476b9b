from __future__ import annotations

from mlflow_triton.descriptions import describe
from triton_deploy_core.deployment import Deployment, OnServer
from triton_deploy_core.errors import ServerUnreachableError
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


def test_servers_that_do_not_say_the_same():
    row = IndexEntry("iris", 3, ModelState.UNAVAILABLE, "out of\x1bmemory")
    servers = {
        "a:8000": OnServer.of(RECORD.name, [3], ()),
        "b:8000": OnServer.of(RECORD.name, [], [row]),
        "c:8000": OnServer.silent(ServerUnreachableError("no connection to c:8000")),
    }
    shown = describe(Deployment.of(RECORD, servers))
    assert shown["servers"] == (
        "a:8000: READY version 3; b:8000: UNAVAILABLE version 3 (out of\\x1bmemory); "
        "c:8000: does not answer: no connection to c:8000"
    )
    assert (shown["state"], shown["reason"]) == ("UNAVAILABLE", "b:8000: out of\x1bmemory")


def test_servers_that_say_the_same():
    servers = {url: OnServer.of(RECORD.name, [3], ()) for url in ("a:8000", "b:8000")}
    assert describe(Deployment.of(RECORD, servers)) == COMMON | {"version": "3", "state": "READY"}


def test_a_deployment_for_some_servers():
    origin = Origin("models:/iris/3", "onnx", 3)
    record = Record.of(DeploymentName("iris"), "/models", origin, "gpu-*")
    assert describe(Deployment.ready(record, [3]))["deployed_to"] == "gpu-*"


def test_parts_of_an_ensemble_with_the_models_that_they_are():
    record = Record(DeploymentName("iris"), "/m/iris", "models:/m/1", "onnx", parts=("iris.a.1",))
    deployment = Deployment.ready(record, [1])
    assert describe(deployment)["parts"] == "iris.a.1"
    known = deployment.with_parts({"iris.a.1": "models:/a/1"})
    assert describe(known)["parts"] == "iris.a.1 (models:/a/1)"
