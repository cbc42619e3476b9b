"""``triton-publish`` and the flavor against a real MLflow."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_triton import flavor
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.triton import FLAVOR
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.names import DeploymentName
from triton_publish.cli import main

if TYPE_CHECKING:
    from conftest import ArtifactStore

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
ENSEMBLE = """platform: "ensemble"
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
ensemble_scheduling { step [ { model_name: "other" model_version: -1
  input_map { key: "A" value: "X" } output_map { key: "B" value: "Y" } } ] }
"""


def _publish(directory: Path, *arguments: str, name: str = "iris") -> Result:
    return CliRunner().invoke(
        main, ["--model-name", name, "--model-directory", str(directory), *arguments]
    )


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_publishes_all_that_was_asked_for(
    client: MlflowClient, example: Path, tmp_path: Path
) -> None:
    options = "--experiment e --run-name r --alias champion --alias prod --tag team=a --json"
    result = _publish(example, *options.split(), "--description", "a sum", "--tag", "x=1=2")

    assert result.exit_code == 0, result.output
    published = json.loads(result.stdout)
    assert (published["version"], published["model_uri"]) == (1, "models:/iris/1")
    assert published["deploy_command"] == (
        "mlflow deployments create -t triton --flavor triton --name iris -m models:/iris/1"
    )

    version = client.get_model_version("iris", "1")
    assert version.description == "a sum"
    assert version.tags == {"team": "a", "x": "1=2"}
    assert sorted(version.aliases) == ["champion", "prod"]
    assert version.run_id == published["run_id"]

    run = client.get_run(published["run_id"])
    experiment = client.get_experiment_by_name("e")
    assert experiment is not None
    assert run.info.experiment_id == experiment.experiment_id
    assert (run.info.run_name, run.info.status) == ("r", "FINISHED")
    assert run.data.tags["team"] == "a"

    loaded = flavor.load_model("models:/iris@champion", dst_path=_made(tmp_path / "out"))
    assert loaded == tmp_path / "out" / "onnx_float32_int32_int32"
    assert _files(loaded) == _files(example)


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_each_time_is_the_next_version(client: MlflowClient, example: Path) -> None:
    assert "version 1 in the registry" in _publish(example).stdout
    second = _publish(example)

    assert second.exit_code == 0, second.output
    assert "version 2 in the registry" in second.stdout
    assert "-m models:/iris/2" in second.stdout
    versions = client.search_model_versions("name = 'iris'")
    assert sorted(int(version.version) for version in versions) == [1, 2]


def test_nothing_is_logged_where_the_directory_has_problems(
    client: MlflowClient, tmp_path: Path
) -> None:
    directory = _made(tmp_path / "m")
    (directory / "config.pbtxt").write_text('backend: "python"', encoding="utf-8")
    assert _publish(directory).exit_code == 1
    assert client.search_registered_models() == []
    assert _runs(client) == []


def test_an_ensembles_empty_version_survives(client: MlflowClient, tmp_path: Path) -> None:
    directory = _made(tmp_path / "chain")
    _made(directory / "1")
    (directory / "config.pbtxt").write_text(ENSEMBLE, encoding="utf-8")
    assert _publish(directory, name="chain").exit_code == 0

    path = Path(mlflow.artifacts.download_artifacts("models:/chain/1", dst_path=str(tmp_path)))
    if (path / "chain" / "1").exists():
        (path / "chain" / "1").rmdir()  # as object stores lose it
    files = DirectoryFiles(path)
    model = FlavorInput(DeploymentName("chain"), files, read_mlmodel(files), "models:/chain/1")
    assert set(FLAVOR.package(model, PackageOptions()).files) == {"config.pbtxt", "1/"}


def _runs(client: MlflowClient, experiment: str = "here") -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


@pytest.mark.parametrize("table", ["model_versions", "registered_model_aliases"])
def test_a_failure_leaves_nothing_in_the_registry_and_says_so(
    client: MlflowClient, example: Path, database: Path, table: str
) -> None:
    _refuse_inserts(database, table)

    result = _publish(example, "--alias", "champion")

    assert result.exit_code == 1
    assert "is marked FAILED and nothing was registered" in result.stderr
    assert result.stderr.count("\n") == 1
    assert client.search_registered_models() == []
    assert [run.info.status for run in _runs(client)] == ["FAILED"]


def test_a_failure_leaves_the_versions_that_were_there(
    client: MlflowClient, example: Path, database: Path
) -> None:
    assert _publish(example).exit_code == 0
    _refuse_inserts(database, "registered_model_aliases")

    assert _publish(example, "--alias", "champion").exit_code == 1
    assert [int(v.version) for v in client.search_model_versions("name = 'iris'")] == [1]


def _refuse_inserts(database: Path, table: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'not today'); END"
        )


def test_a_failure_to_upload_registers_nothing(
    client: MlflowClient, example: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    client.create_experiment("broken", artifact_location=f"file://{tmp_path}/file/below")

    result = _publish(example, "--experiment", "broken")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: MLflow could not publish the model: ")
    assert "is marked FAILED and nothing was registered" in result.stderr
    assert result.stderr.count("\n") == 1
    assert client.search_registered_models() == []
    assert [run.info.status for run in _runs(client, "broken")] == ["FAILED"]


def test_an_artifact_store_in_a_bucket_gets_every_file(
    client: MlflowClient, artifact_store: ArtifactStore, example: Path, tmp_path: Path
) -> None:
    location = f"{artifact_store.bucket}/some/where"
    client.create_experiment("in a bucket", artifact_location=location)

    result = _publish(example, "--experiment", "in a bucket")

    assert result.exit_code == 0, result.output
    stored = artifact_store.objects()
    assert all(name.startswith("some/where/") for name in stored)
    logged = {name.partition(f"/{example.name}/")[2]: data for name, data in stored.items()}
    assert {name: data for name, data in logged.items() if name} == _files(example)
    loaded = flavor.load_model("models:/iris/1", dst_path=_made(tmp_path / "out"))
    assert _files(loaded) == _files(example)


def test_a_failure_to_upload_to_a_bucket_is_one_line(
    client: MlflowClient, artifact_store: ArtifactStore, example: Path
) -> None:
    scheme = artifact_store.bucket.partition(":")[0]
    client.create_experiment("in no bucket", artifact_location=f"{scheme}://no-such-bucket/where")

    result = _publish(example, "--experiment", "in no bucket")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: MLflow could not publish the model: ")
    assert re.search("NoSuchBucket|bucket does not exist", result.stderr)
    assert "is marked FAILED and nothing was registered" in result.stderr
    assert result.stderr.count("\n") == 1
    assert client.search_registered_models() == []


def test_a_tracking_server_that_is_not_there_is_one_line_without_secrets(
    client: MlflowClient, example: Path
) -> None:
    result = _publish(example, "--tracking-uri", "http://me:secret@127.0.0.1:9", "--json")

    assert result.exit_code == 1
    assert "secret" not in result.output
    assert result.stderr.startswith("Error: MLflow could not publish the model: ")
    assert result.stderr.count("\n") == 1
    assert json.loads(result.stdout)["published"] is False


def test_the_manuals_script_works_from_its_own_directory(
    client: MlflowClient, example: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "publish_model_to_mlflow.py"),
            *("--model_name", "onnx_float32_int32_int32"),
            *("--model_directory", str(example), "--flavor", "triton"),
        ],
        cwd=SCRIPTS,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "version 1 in the registry" in done.stdout
    assert client.get_model_version("onnx_float32_int32_int32", "1").status == "READY"


def test_log_model_registers_and_warns_of_nothing(
    client: MlflowClient, example: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run():
        by_path = flavor.log_model(example, "triton", registered_model_name="one")
        by_name = flavor.log_model(example, name="other", metadata={"team": "a"})

    assert [record for record in caplog.records if "deprecated" in record.getMessage()] == []
    assert client.get_model_version("one", "1").status == "READY"
    assert by_path.flavors["triton"]["data"] == example.name
    assert flavor.load_model(by_name.model_uri).name == example.name
