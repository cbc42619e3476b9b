"""Tags in a real registry: who has them, who has not, and what happens where that can't be."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_triton.tag_carriers import LoggedModel, LoggingRun, RegisteredVersion
from mlflow_triton.tag_entries import read_tag
from mlflow_triton.tagging import Tagging
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.records import Record

MLFLOW_3 = int(mlflow.__version__.partition(".")[0]) >= 3
PROD = Tagging("iris", "http://triton:8000", "s3://bucket/models")
STAGING = Tagging("iris", "http://staging:8000", "s3://bucket/staging")
FIRST, SECOND = RegisteredVersion("iris", "1"), RegisteredVersion("iris", "2")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.create_registered_model("iris")
    for number in (1, 2):
        client.create_model_version("iris", f"/models/{number}")
    return uri


@pytest.fixture
def client(registry: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """The registry, as the process is set up to use it; no tag is left behind."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    client = MlflowClient()
    yield client
    for version in (FIRST, SECOND):
        for key in version.tags(client):
            version.delete(client, key)


def deployment(uri: str = "models:/iris/1", *versions: int) -> Deployment:
    record = Record(DeploymentName("iris"), "/models/iris", uri, "onnx")
    return Deployment.ready(record, versions or (1,))


def entries(client: MlflowClient, version: RegisteredVersion, key: str = "triton.iris"):
    return read_tag(version.tags(client).get(key, ""))


def test_the_tag_goes_from_version_to_version_and_away(client):
    PROD.deployed(deployment(), FIRST)
    (entry,) = entries(client, FIRST)
    assert (entry.state, entry.server, entry.version) == ("READY", "http://triton:8000", 1)
    PROD.deployed(deployment("models:/iris/2", 1, 2), SECOND, before="models:/iris/1")
    assert FIRST.tags(client) == {}
    assert [entry.version for entry in entries(client, SECOND)] == [2]
    PROD.deleted("models:/iris/2")
    assert SECOND.tags(client) == {}


def test_an_alias_that_moved_on_leaves_no_tag_behind(client):
    PROD.deployed(deployment("models:/iris@champion"), FIRST)
    PROD.deployed(deployment("models:/iris@champion"), SECOND, before="models:/iris@champion")
    assert FIRST.tags(client) == {}
    PROD.deleted("models:/iris@champion")
    assert SECOND.tags(client) == {}


def test_the_same_name_elsewhere_has_an_entry_of_its_own(client):
    PROD.deployed(deployment(), FIRST)
    STAGING.deployed(deployment(), FIRST)
    assert [entry.server for entry in entries(client, FIRST)] == [PROD.server, STAGING.server]
    STAGING.deployed(deployment("models:/iris/2"), SECOND, before="models:/iris/1")
    assert [entry.server for entry in entries(client, FIRST)] == [PROD.server]
    PROD.deleted("models:/iris/1")
    assert FIRST.tags(client) == {}
    assert [entry.server for entry in entries(client, SECOND)] == [STAGING.server]


def test_several_deployments_of_a_version_have_a_key_each(client):
    other = Tagging("a~b", PROD.server, PROD.repository)
    long = Tagging("n" * 255, PROD.server, PROD.repository)
    for tagging in (PROD, other, long):
        tagging.deployed(deployment(), FIRST)
    assert set(FIRST.tags(client)) == {"triton.iris", other.key, long.key}
    assert other.key.startswith("triton.a_b-")
    other.deleted("models:/iris/1")
    assert set(FIRST.tags(client)) == {"triton.iris", long.key}


def test_tags_of_users_and_a_path_as_the_next_model(client):
    FIRST.set(client, "team", "x")
    PROD.deployed(deployment(), FIRST)
    PROD.deployed(deployment("/models/mine"), None, before="models:/iris/1")
    assert FIRST.tags(client) == {"team": "x"}


def test_a_version_that_was_deleted_is_no_trouble(client, warnings_told):
    extra = client.create_model_version("iris", "/models/3")
    gone = RegisteredVersion("iris", str(extra.version))
    PROD.deployed(deployment(), gone)
    client.delete_model_version("iris", gone.version)
    PROD.deployed(deployment(), FIRST, before=f"models:/iris/{gone.version}")
    PROD.deleted(f"models:/iris/{gone.version}")
    assert FIRST.tags(client) == {}
    assert warnings_told() == []


def test_a_repair_brings_back_the_tag_where_the_model_is_known(client):
    PROD.repaired(deployment("models:/iris/2"))
    assert len(entries(client, SECOND)) == 1
    PROD.repaired(deployment("models:/iris@champion", 7))
    assert [entry.version for entry in entries(client, SECOND)] == [7]
    PROD.deleted("models:/iris/2")
    PROD.repaired(deployment("models:/iris@champion"))
    assert FIRST.tags(client) == SECOND.tags(client) == {}


def test_a_rollback_takes_the_tag_back_where_the_model_is_known(client):
    PROD.deployed(deployment("models:/iris/2", 2), SECOND)
    PROD.rolled_back(deployment("models:/iris/1", 1), before="models:/iris/2")
    assert [entry.version for entry in entries(client, FIRST)] == [1]
    assert SECOND.tags(client) == {}
    PROD.rolled_back(deployment("models:/iris@champion", 2), before="models:/iris/1")
    assert FIRST.tags(client) == SECOND.tags(client) == {}


@pytest.mark.skipif(not MLFLOW_3, reason="MLflow 2 has no logged models")
def test_a_logged_model_that_was_deleted_hides_no_other_of_its_run(client, warnings_told):
    with mlflow.start_run() as run:
        models = [mlflow.initialize_logged_model("net") for _ in range(2)]
    outputs = [mlflow.entities.LoggedModelOutput(one.model_id, step=0) for one in models]
    client.log_outputs(run.info.run_id, outputs)
    last = LoggedModel(client.get_run(run.info.run_id).outputs.model_outputs[-1].model_id)
    PROD.deployed(deployment(), last)
    for one in models:
        if one.model_id != last.model_id:
            client.delete_logged_model(one.model_id)
    PROD.deleted(f"runs:/{run.info.run_id}/net")
    assert "triton.iris" not in last.tags(client)
    assert warnings_told() == []


@pytest.mark.skipif(not MLFLOW_3, reason="MLflow 2 has no logged models")
def test_logged_models_carry_tags_too(client):
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model("net")
    client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(model.model_id, step=0)])
    logged = LoggedModel(model.model_id)
    for uri in (f"models:/{model.model_id}", f"runs:/{run.info.run_id}/net"):
        PROD.deployed(deployment(uri), logged)
        assert "triton.iris" in logged.tags(client)
        PROD.deployed(deployment(uri), logged, before=uri)
        PROD.deleted(uri)
        assert "triton.iris" not in logged.tags(client)


def test_runs_carry_tags_too(client):
    with mlflow.start_run() as run:
        pass
    carrier = LoggingRun(run.info.run_id)
    PROD.deployed(deployment(), carrier)
    assert "triton.iris" in carrier.tags(client)
    PROD.deleted(f"runs:/{run.info.run_id}/net")
    assert "triton.iris" not in carrier.tags(client)


def test_a_registry_that_refuses_is_one_warning(client, warnings_told):
    PROD.deployed(deployment(), RegisteredVersion("iris", "99"))
    (line,) = warnings_told()
    assert "not its tag triton.iris in MLflow: " in line
    assert "\n" not in line
    assert line.endswith("-C tags=off does without tags.")


def test_a_registry_that_is_down_is_one_warning(monkeypatch, warnings_told):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    PROD.deployed(deployment(), FIRST)
    (line,) = warnings_told()
    assert "connection refused" in line
    assert "secret" not in line


def test_a_registry_that_does_not_answer_is_one_warning(monkeypatch, warnings_told):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        Tagging("iris", "triton:8000", "/models", seconds=0.2).deleted("models:/iris/1")
    (line,) = warnings_told()
    assert "not its tag triton.iris in MLflow: " in line


def test_mlflow_is_not_set_up_by_asking(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    PROD.deleted("models:/iris/1")
    assert list(tmp_path.iterdir()) == []


def test_models_that_are_no_business_of_mlflow_need_none(monkeypatch, warnings_told):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    PROD.deployed(deployment("/models/mine"), None, before="s3://bucket/model")
    PROD.deleted("/models/mine")
    assert PROD.repaired(deployment("/models/mine"))
    assert warnings_told() == []


def test_directories_of_two_machines_are_two_places(tmp_path):
    there = Tagging("iris", "http://triton:8000", str(tmp_path))
    assert there.place == Tagging("iris", "http://triton:8000", f"file://{tmp_path}/").place
    assert there.place != Tagging("iris", "http://other:8000", str(tmp_path)).place
    here = Tagging("iris", "localhost:8000", str(tmp_path))
    assert here.place == Tagging("iris", "grpc://127.0.0.1:8001", str(tmp_path)).place
    bucket = Tagging("iris", "localhost:8000", "s3://bucket/models")
    assert bucket.place == PROD.place
