"""From a model with the flavor `triton` to a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.triton import FLAVOR
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.errors import (
    DeployError,
    InvalidPackageError,
    InvalidSettingError,
    ModelSourceError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import TreePackage
from triton_deploy_core.ports.store import Content, LocalFile

NO_OPTIONS = PackageOptions()
IDENTITY = 'backend: "identity"\n'
ENSEMBLE = """platform: "ensemble"
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
ensemble_scheduling { step [ { model_name: "other" model_version: -1
  input_map { key: "A" value: "X" } output_map { key: "B" value: "Y" } } ] }
"""


def _package(path: Path, *, options: PackageOptions = NO_OPTIONS, **entry: Any) -> TreePackage:
    model = FlavorInput(
        name=DeploymentName("iris"),
        files=DirectoryFiles(path),
        mlmodel=MLmodel(flavors={"triton": entry}),
        uri="models:/iris/3",
        registry_version=3,
    )
    return FLAVOR.package(model, options)


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_directory_that_the_entry_names_is_deployed_and_nothing_else(tmp_path: Path) -> None:
    _write(tmp_path / "MLmodel")
    _write(tmp_path / "metadata" / "MLmodel")
    _write(tmp_path / "registered_model_meta")
    _write(tmp_path / "mine" / "config.pbtxt", IDENTITY)
    _write(tmp_path / "mine" / "1" / "deep" / "er.bin", "12345")
    _write(tmp_path / "mine" / "requirements.txt")
    _write(tmp_path / "mine" / ".hidden")

    package = _package(tmp_path, data="mine")

    root = (tmp_path / "mine").resolve()
    assert package.files == {
        ".hidden": LocalFile(root / ".hidden", 0),
        "1/deep/er.bin": LocalFile(root / "1" / "deep" / "er.bin", 5),
        "config.pbtxt": LocalFile(root / "config.pbtxt", len(IDENTITY)),
        "requirements.txt": LocalFile(root / "requirements.txt", 0),
    }
    assert (package.origin.flavor, package.origin.registry_version) == ("triton", 3)


def test_empty_directories_that_are_there_become_markers(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", ENSEMBLE)
    (tmp_path / "m" / "1").mkdir()

    assert _package(tmp_path, data="m").files["1/"] == Content(b"")


def test_empty_directories_that_the_artifact_store_lost_come_back(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", IDENTITY)

    package = _package(tmp_path, data="m", empty_directories=["2/empty", "../out", "/abs"])

    assert set(package.files) == {"config.pbtxt", "2/empty/"}


def test_an_ensemble_that_another_script_logged_gets_its_version_back(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", ENSEMBLE)

    assert _package(tmp_path, data="m").files["1/"] == Content(b"")


def test_an_ensembles_other_versions_are_left_alone(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", ENSEMBLE)
    _write(tmp_path / "m" / "3" / "note")

    assert set(_package(tmp_path, data="m").files) == {"config.pbtxt", "3/note"}


def test_the_record_of_another_deployment_stays_behind(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", IDENTITY)
    _write(tmp_path / "m" / "1" / "x")
    _write(tmp_path / "m" / "mlflow-meta.json", "{}")

    assert set(_package(tmp_path, data="m").files) == {"config.pbtxt", "1/x"}


@pytest.mark.parametrize("data", [None, "", ".", "..", "../m", "/etc", "m/../..", 3])
def test_a_directory_outside_of_the_model_is_refused(tmp_path: Path, data: object) -> None:
    model = tmp_path / "model"
    _write(model / "MLmodel")
    _write(tmp_path / "m" / "1" / "model.onnx")
    with pytest.raises(InvalidPackageError, match="has to be one inside of the model"):
        _package(model, data=data)


def test_a_link_to_a_directory_outside_of_the_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    _write(tmp_path / "m" / "1" / "model.onnx")
    (tmp_path / "model" / "m").symlink_to(tmp_path / "m")
    with pytest.raises(InvalidPackageError, match="link that leaves"):
        _package(tmp_path / "model", data="m")


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelSourceError, match="no directory 'm'"):
        _package(tmp_path, data="m")


def test_links_out_of_the_directory_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", IDENTITY)
    _write(tmp_path / "secret")
    (tmp_path / "m" / "1").mkdir()
    (tmp_path / "m" / "1" / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidPackageError, match="1/x: a symbolic link that leaves"):
        _package(tmp_path, data="m")


def test_a_name_other_than_the_deployments_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", f'name: "m"\n{IDENTITY}')
    _write(tmp_path / "m" / "1" / "x")
    with pytest.raises(InvalidPackageError, match=r"name is 'm'.*'iris'"):
        _package(tmp_path, data="m")


def test_all_problems_are_named(tmp_path: Path) -> None:
    _write(tmp_path / "m" / "config.pbtxt", 'name: "m"\nbackend: "python"')
    _write(tmp_path / "m" / "2" / "x")
    with pytest.raises(DeployError, match=r"name is 'm'.*2/model\.py") as caught:
        _package(tmp_path, data="m")
    assert "\n" not in str(caught.value)


def test_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="max_batch_size can't be set for the triton"):
        _package(tmp_path, options=PackageOptions(max_batch_size=4), data="m")
