"""The flavor's files on this machine: saved, and loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlflow_triton import flavor
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.triton import FLAVOR
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.errors import (
    InvalidPackageError,
    InvalidRequestError,
    ModelSourceError,
)
from triton_deploy_core.names import DeploymentName

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "onnx_float32_int32_int32"


class _Recorder:
    def __init__(self) -> None:
        self.steps: list[str] = []
        self.size = 0
        self.done = 0

    def step(self, text: str) -> None:
        self.steps.append(text)

    def total(self, size: int) -> None:
        self.size = size

    def advance(self, size: int) -> None:
        self.done += size


def _identity(root: Path) -> Path:
    (root / "1").mkdir(parents=True)
    (root / "config.pbtxt").write_text('backend: "identity"\n', encoding="utf-8")
    return root


def _bytes(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_what_is_saved_is_what_nvidias_plugin_reads(tmp_path: Path) -> None:
    progress = _Recorder()
    flavor.save_model(EXAMPLE, tmp_path / "model", progress=progress)

    document = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text(encoding="utf-8"))
    assert document["flavors"]["triton"] == {"data": EXAMPLE.name, "versions": [1]}
    assert _bytes(tmp_path / "model" / EXAMPLE.name) == _bytes(EXAMPLE)
    assert progress.done == progress.size == sum(map(len, _bytes(EXAMPLE).values()))
    assert progress.steps == ["copying 2 files"]


def test_a_saved_model_is_loaded_and_packaged(tmp_path: Path) -> None:
    flavor.save_model(_identity(tmp_path / "mine"), tmp_path / "model")
    (tmp_path / "model" / "mine" / "1").rmdir()  # as artifact stores lose it

    mlmodel = read_mlmodel(DirectoryFiles(tmp_path / "model"))
    name = DeploymentName("iris")
    model = FlavorInput(
        name=name, files=DirectoryFiles(tmp_path / "model"), mlmodel=mlmodel, uri="model"
    )
    assert set(FLAVOR.package(model, PackageOptions()).files) == {"config.pbtxt", "1/"}

    loaded = flavor.load_model(tmp_path / "model")
    assert loaded.name == "mine"
    assert (loaded / "1").is_dir()


def test_links_inside_are_copied_as_what_they_lead_to(tmp_path: Path) -> None:
    root = _identity(tmp_path / "mine")
    (root / "1" / "x").write_text("content", encoding="utf-8")
    (root / "2").symlink_to("1")
    flavor.save_model(root, tmp_path / "model")

    copied = tmp_path / "model" / "mine" / "2" / "x"
    assert copied.read_text(encoding="utf-8") == "content"
    assert not copied.parent.is_symlink()


def test_a_directory_that_triton_would_refuse_is_not_saved(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "config.pbtxt").write_text('backend: "python"\n', encoding="utf-8")
    with pytest.raises(InvalidPackageError, match="no version directory"):
        flavor.save_model(root, tmp_path / "model")
    with pytest.raises(InvalidPackageError, match="no version directory"):
        flavor.log_model(root)
    assert not (tmp_path / "model").exists()

    flavor.save_model(root, tmp_path / "model", check=False)
    assert _bytes(tmp_path / "model" / "mine") == _bytes(root)


def test_a_link_that_leaves_is_refused_without_the_check_too(tmp_path: Path) -> None:
    root = _identity(tmp_path / "mine")
    (root / "1" / "x").symlink_to("/etc/hostname")
    with pytest.raises(InvalidPackageError, match="leaves the model's directory"):
        flavor.save_model(root, tmp_path / "model", check=False)
    assert not (tmp_path / "model").exists()


def test_an_existing_path_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(InvalidRequestError, match="exists already"):
        flavor.save_model(EXAMPLE, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="is not a directory"):
        flavor.save_model(EXAMPLE / "config.pbtxt", tmp_path / "model")


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    class Failing(_Recorder):
        def advance(self, size: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flavor.save_model(EXAMPLE, tmp_path / "model", progress=Failing())
    assert list(tmp_path.iterdir()) == []


def test_two_names_are_one_too_many() -> None:
    with pytest.raises(InvalidRequestError, match="not both"):
        flavor.log_model(EXAMPLE, "triton", name="triton")


def test_a_model_without_the_flavor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors:\n  onnx: {}\n", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="no flavor 'triton'"):
        flavor.load_model(tmp_path)


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelSourceError):
        flavor.load_model(tmp_path / "nothing")
