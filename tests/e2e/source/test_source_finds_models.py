"""Every form of model URI, on a local store and on a server with proxied artifacts."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from mlflow_triton.source import MlflowSource
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from conftest import Store

IS_MLFLOW_3 = int(version("mlflow-skinny").partition(".")[0]) >= 3
needs_logged_models = pytest.mark.skipif(not IS_MLFLOW_3, reason="MLflow 2 has no logged models")
USER_FILES = {
    "config.pbtxt": 'backend: "onnxruntime"\n',
    "configs/gpu.pbtxt": "instance_group { count: 2 }\n",
    "labels.txt": "setosa\n",
}


def snapshot(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(("mlflow.db", "log"))
    }


def user_files(model) -> dict[str, str]:
    """What a flavor finds of the user's own, wherever this MLflow keeps it."""
    all_files = [files for files in (model.files, model.run_files) if files is not None]
    return {
        name: files.read(name).decode()
        for files in all_files
        for name in USER_FILES
        if files.find(name) is not None
    }


@pytest.mark.parametrize(
    ("uri", "registry_version", "resolved_uri"),
    [
        ("models:/iris/1", 1, None),
        ("models:/iris/2", 2, None),
        ("models:/iris/latest", 3, "models:/iris/3"),
        ("models:/iris@champion", 1, "models:/iris/1"),
        ("models:/iris/Production", 2, "models:/iris/2"),
        ("models:/iris/production", 2, "models:/iris/2"),
    ],
)
def test_registry(store: Store, temporary: Path, uri, registry_version, resolved_uri) -> None:
    before = snapshot(store.directory)

    with store.source.open(uri) as model:
        assert (model.files.directory / "MLmodel").is_file()
        assert (model.files.directory / "model.onnx").is_file()
        assert model.uri == uri
        assert model.registry_version == registry_version
        assert model.resolved_uri == resolved_uri
        assert user_files(model) == ({} if registry_version == 2 else USER_FILES)
        if store.is_local:
            assert model.files.directory.is_relative_to(store.directory)
            assert not list(temporary.iterdir())
        else:
            assert len(list(temporary.iterdir())) == 1
            assert model.files.directory.is_relative_to(temporary)

    assert not list(temporary.iterdir())
    assert snapshot(store.directory) == before


@needs_logged_models
def test_logged_model(store: Store, temporary: Path) -> None:
    with store.source.open(f"models:/{store.logged['first']['model_id']}") as model:
        assert (model.files.directory / "MLmodel").is_file()
        assert model.registry_version is None
        assert user_files(model) == USER_FILES

    assert not list(temporary.iterdir())


def test_run(store: Store, temporary: Path) -> None:
    run_id = store.logged["first"]["run_id"]

    with store.source.open(f"runs:/{run_id}/triton") as model:
        assert (model.files.directory / "MLmodel").is_file()
        assert model.registry_version is None
        assert user_files(model) == USER_FILES

    assert not list(temporary.iterdir())


def test_files_of_a_deleted_run_that_is_still_there(store: Store, temporary: Path) -> None:
    with store.source.open("models:/iris/3") as model:
        assert user_files(model) == USER_FILES


def model_artifact_uri(store: Store) -> str:
    first = store.logged["first"]
    if IS_MLFLOW_3:
        experiment = first["artifact_uri"].removesuffix(f"/{first['run_id']}/artifacts")
        return f"{experiment}/models/{first['model_id']}/artifacts"
    return f"{first['artifact_uri']}/triton"


def test_artifact_uri(store: Store, temporary: Path) -> None:
    uri = model_artifact_uri(store)
    assert uri.startswith("file:" if store.is_local else "mlflow-artifacts:")

    with store.source.open(uri) as model:
        assert (model.files.directory / "MLmodel").is_file()
        assert user_files(model) == USER_FILES

    assert not list(temporary.iterdir())


def test_directory(local_store: Store, temporary: Path, monkeypatch, tmp_path: Path) -> None:
    with local_store.source.open("models:/iris/1") as model:
        stored = model.files.directory
    copied = tmp_path / "my model"
    shutil.copytree(stored, copied)
    before = snapshot(copied)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    for uri in (str(copied), "my model", "./my model", "~/my model", copied.as_uri()):
        with MlflowSource().open(uri) as model:
            assert model.files.directory.samefile(copied)
            assert model.files.directory.is_absolute()
            assert model.run_files is None

    assert snapshot(copied) == before
    assert {path.name for path in tmp_path.iterdir()} == {"my model", "temporary"}
    assert not list(temporary.iterdir())


@needs_logged_models
def test_directory_with_a_tracking_server_that_knows_its_run(local_store: Store, tmp_path: Path):
    with local_store.source.open("models:/iris/1") as model:
        shutil.copytree(model.files.directory, tmp_path / "copy")

    with local_store.source.open(str(tmp_path / "copy")) as model:
        assert set(model.run_files.sources) == set(USER_FILES)


@needs_logged_models
def test_directory_with_a_tracking_server_that_never_saw_it(local_store: Store, tmp_path: Path):
    with local_store.source.open("models:/iris/1") as model:
        shutil.copytree(model.files.directory, tmp_path / "copy")
    mlmodel = tmp_path / "copy" / "MLmodel"
    known = local_store.logged["first"]["model_id"]
    mlmodel.write_text(mlmodel.read_text().replace(known, "m-" + "0" * 32))

    with local_store.source.open(str(tmp_path / "copy")) as model:
        assert model.run_files is None


@needs_logged_models
def test_directory_with_a_tracking_server_that_is_down(
    local_store: Store, tmp_path: Path, closed_port: int, caplog
) -> None:
    with local_store.source.open("models:/iris/1") as model:
        shutil.copytree(model.files.directory, tmp_path / "copy")

    with MlflowSource(f"http://127.0.0.1:{closed_port}").open(str(tmp_path / "copy")) as model:
        assert model.run_files is None
    assert "connection refused" in caplog.text


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ModelSourceError, SystemExit])
def test_nothing_stays_after_an_interruption(server_store: Store, temporary: Path, interruption):
    def use() -> None:
        with server_store.source.open("models:/iris/1") as model:
            assert model.files.directory.is_relative_to(temporary)
            raise interruption

    with pytest.raises(interruption):
        use()

    assert not list(temporary.iterdir())


def test_an_alias_that_moves_during_the_download_is_what_it_was(store, temporary, monkeypatch):
    """It is resolved once: version and files belong together."""
    with store.source.open("models:/iris/1") as model:
        first = (model.files.directory / "model.onnx").read_bytes()
    resolve = MlflowClient.get_model_version_by_alias
    client = MlflowClient(store.tracking_uri)
    resolved = []

    def moving(self, name, alias):
        resolved.append(resolve(self, name, alias))
        client.set_registered_model_alias(name, alias, "3")
        return resolved[-1]

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", moving)
    try:
        with store.source.open("models:/iris@champion") as model:
            assert (model.registry_version, model.resolved_uri) == (1, "models:/iris/1")
            assert (model.files.directory / "model.onnx").read_bytes() == first
    finally:
        client.set_registered_model_alias("iris", "champion", "1")
    assert len(resolved) == 1
