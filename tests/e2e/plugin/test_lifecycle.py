"""Update, failure, restart and neighbours, as Triton and the repository show them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

NAME = "onnx_float32_int32_int32"
ONES = np.ones((1, 16), dtype=np.float32)
# What the backend says of the operator that `unloadable` has.
REASON = "NoSuchOperator"


def difference(client, name: str) -> int:
    """The first element of OUTPUT1, whose sign the second version of the example turns."""
    outputs = client.predict(name, {"INPUT0": 3 * ONES, "INPUT1": ONES})
    return int(outputs.loc["OUTPUT1"]["outputs"][0][0])


def version_directories(site, name: str) -> set[str]:
    return {path.name for path in (site.repository / name).iterdir() if path.is_dir()}


def written(site, name: str, version: str) -> dict[str, tuple[int, int]]:
    """The inode and the time of each file of a version: others once it is written again."""
    files = (site.repository / name / version).iterdir()
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_an_update_serves_the_new_version_and_keeps_one_previous(site, client):
    client.create_deployment("x", f"models:/{NAME}/1")
    first = difference(client, "x")
    client.update_deployment("x", f"models:/{NAME}/2")
    assert difference(client, "x") != first
    assert client.get_deployment("x")["version"] == "2"
    assert version_directories(site, "x") == {"1", "2"}
    (listed,) = client.list_deployments()
    assert (listed["version"], listed["state"]) == ("2", "READY")
    assert "versions" not in listed
    # Back again: the directory that is there serves, and nothing of it is written anew.
    weights = written(site, "x", "1")
    client.update_deployment("x", f"models:/{NAME}/1")
    assert difference(client, "x") == first
    assert client.get_deployment("x")["version"] == "1"
    assert version_directories(site, "x") == {"1", "2"}
    assert written(site, "x", "1") == weights
    assert site.is_ready()
    # The same without a model: MLflow is not asked.
    second = written(site, "x", "2")
    assert client.rollback_deployment("x") == {
        "name": "x",
        "flavor": "onnx",
        "version": "2",
        "mlflow_model_uri": f"models:/{NAME}/2",
    }
    assert difference(client, "x") != first
    assert written(site, "x", "2") == second
    assert client.get_deployment("x")["mlflow_model_uri"] == f"models:/{NAME}/2"


def test_only_what_changed_is_written_and_loaded(site, client):
    client.create_deployment("x", f"models:/{NAME}/1")
    weights, config = written(site, "x", "1"), site.files()["x/config.pbtxt"]
    loaded = loads(site, "x")

    client.update_deployment("x", f"models:/{NAME}/1")
    assert loads(site, "x") == loaded
    client.update_deployment("x", config={"force": "true"})
    assert loads(site, "x") == loaded + 1
    client.update_deployment("x", config={"max_batch_size": 2})
    assert loads(site, "x") == loaded + 2
    assert site.config("x")["max_batch_size"] == 2
    assert site.files()["x/config.pbtxt"] != config
    assert written(site, "x", "1") == weights
    assert client.get_deployment("x")["version"] == "1"

    client.update_deployment("x", f"models:/{NAME}/2", config={"keep_versions": 0})
    assert version_directories(site, "x") == {"2"}


def loads(site, name: str) -> int:
    """How many times Triton has brought up a version of a model since it started."""
    lines = site.triton.log_tail(100_000)
    return sum(f"successfully loaded '{name}'" in line for line in lines)


def test_an_update_that_fails_leaves_all_as_it_was(own_site):
    client = get_deploy_client("triton")
    client.create_deployment("x", f"models:/{NAME}/1")
    before, shown, answer = own_site.files(), client.list_deployments(), difference(client, "x")
    done = own_site.click("update", "--name", "x", "-m", "models:/unloadable/1")
    assert REASON in done.complaint
    assert "The model that was deployed before still serves." in done.complaint
    assert own_site.files() == before
    assert client.list_deployments() == shown
    assert difference(client, "x") == answer
    assert own_site.is_ready()
    client.update_deployment("x", f"models:/{NAME}/2")
    assert difference(client, "x") != answer


def test_a_create_that_fails_leaves_nothing(own_site):
    done = own_site.click("create", "--name", "x", "-m", "models:/unloadable/1")
    assert REASON in done.complaint
    assert "Nothing was left in the repository." in done.complaint
    assert own_site.files() == {}
    assert not (own_site.repository / "x").exists()
    assert own_site.is_ready()
    client = get_deploy_client("triton")
    assert client.list_deployments() == []
    client.create_deployment("x", "models:/twice/1")


def test_after_a_restart_of_the_server(own_site):
    client = get_deploy_client("triton")
    client.create_deployment("x", "models:/twice/1")
    own_site.triton.restart()
    (listed,) = client.list_deployments()
    assert listed["state"] != "READY"
    assert listed["reason"] == "not loaded since the server started: repair it, which loads it"
    shown = client.get_deployment("x")
    assert shown == {**listed, "differences": shown["differences"], "repair": shown["repair"]}
    printed = own_site.click("get", "--name", "x")
    assert "reason: not loaded since the server started" in printed.out
    complaint = own_site.click("predict", "--name", "x", "-I", _input(own_site)).complaint
    assert "does not serve model 'x' now" in complaint
    client.update_deployment("x")
    assert client.get_deployment("x")["state"] == "READY"


def _input(site) -> str:
    path = site.repository.parent / "input.json"
    path.write_text('{"inputs": {"x": [[1, 2, 3]]}}')
    return str(path)


def test_a_deployment_that_was_broken_by_hand(own_site):
    client = get_deploy_client("triton")
    client.create_deployment("x", "models:/twice/1")
    (own_site.repository / "x" / "1" / "model.onnx").write_bytes(b"no model")
    own_site.triton.restart()
    with pytest.raises(urllib.error.HTTPError):
        _post(own_site, "/v2/repository/models/x/load")
    (listed,) = client.list_deployments()
    assert (listed["version"], listed["state"]) == ("1", "UNAVAILABLE")
    assert listed["reason"]
    assert "\n" not in listed["reason"]
    client.delete_deployment("x")
    assert own_site.files() == {}


def _post(site, path: str) -> None:
    request = urllib.request.Request(f"{site.triton.url}{path}", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=60):
        pass


@pytest.fixture
def neighbour(site, examples):
    """A model of somebody else, which the server serves."""
    directory = Path(shutil.copytree(examples / NAME, site.repository / NAME))
    _post(site, f"/v2/repository/models/{NAME}/load")
    yield NAME
    assert _served(site, NAME)
    _post(site, f"/v2/repository/models/{NAME}/unload")
    shutil.rmtree(directory)


def _served(site, name: str) -> bool:
    with urllib.request.urlopen(f"{site.triton.url}/v2/models/{name}/ready", timeout=10) as answer:
        return answer.status == 200


def test_models_of_others_are_neither_listed_nor_touched(site, client, neighbour):
    theirs = site.files()
    assert client.list_deployments() == []
    for command, *more in (
        ("create", "-m", "models:/twice/1"),
        ("update", "-m", "models:/twice/1"),
        ("delete",),
        ("get",),
    ):
        complaint = site.click(command, "--name", neighbour, *more).complaint
        assert f"holds a directory '{neighbour}' that no MLflow deployment made" in complaint
    client.create_deployment(neighbour[:-1], "models:/twice/1")
    assert [row["name"] for row in client.list_deployments()] == [neighbour[:-1]]
    client.delete_deployment(neighbour[:-1])
    assert site.files() == theirs


def test_a_truncated_model_is_refused_before_anything_is_touched(site, model_copy):
    model = model_copy / "model.onnx"
    model.write_bytes(model.read_bytes()[:-20])
    log = site.triton.log_path.read_bytes()
    complaint = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert "model.onnx" in complaint
    assert site.files() == {}
    assert b"'x'" not in site.triton.log_path.read_bytes()[len(log) :]


def test_a_deploy_leaves_nothing_in_the_temporary_directory(site, client, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    client.create_deployment("x", "models:/twice/1")
    with pytest.raises(MlflowException):
        client.update_deployment("x", "models:/twice/99")
    client.update_deployment("x", "models:/weights/1")
    assert list(scratch.iterdir()) == []


def test_a_deploy_changes_nothing_in_mlflows_store(site, store, client):
    def artifacts() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in (store.directory / "mlruns").rglob("*")
            if path.is_file()
        }

    before = artifacts()
    assert before
    client.create_deployment("x", "models:/configured/1")
    client.update_deployment("x", "models:/weights/1")
    client.delete_deployment("x")
    assert artifacts() == before


def test_of_two_that_create_one_name_at_once_one_wins(site, client):
    command = ["mlflow", "deployments", "create", "-t", "triton", "--name", "x"]
    started = [
        subprocess.Popen(
            [*command, "-m", f"models:/{NAME}/{version}"],
            cwd=site.store.directory,
            env=site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in (1, 2)
    ]
    ended = []
    for process in started:
        out, err = process.communicate(timeout=240)
        ended.append((process.returncode, out, err))
    assert sorted(status for status, _, _ in ended) == [0, 1]
    (winner,) = (version for version, (status, _, _) in enumerate(ended, 1) if status == 0)
    (err,) = (err for status, _, err in ended if status == 1)
    (line,) = (line for line in err.splitlines() if line.startswith("Error:"))
    assert "create of 'x' is under way" in line or "There is a deployment 'x'" in line
    assert "Traceback" not in err
    deployment = client.get_deployment("x")
    assert (deployment["version"], deployment["state"]) == (str(winner), "READY")
