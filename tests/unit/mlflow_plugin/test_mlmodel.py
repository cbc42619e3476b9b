from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import LocalFile


def _write(directory: Path, text: str) -> Path:
    (directory / "MLmodel").write_text(text, encoding="utf-8")
    return directory


def test_reads_flavors_run_and_signature(tmp_path: Path) -> None:
    text = (
        "flavors:\n  onnx:\n    data: model.onnx\n  python_function: {}\n"
        "run_id: abc\nmodel_id: m-1\nsignature:\n  inputs: '[]'\n"
    )
    mlmodel = read_mlmodel(DirectoryFiles(_write(tmp_path, text)))

    assert mlmodel.flavors == {"onnx": {"data": "model.onnx"}, "python_function": {}}
    assert (mlmodel.run_id, mlmodel.model_id) == ("abc", "m-1")
    assert mlmodel.signature == {"inputs": "[]"}


def test_a_model_saved_without_a_run_has_none(tmp_path: Path) -> None:
    mlmodel = read_mlmodel(
        DirectoryFiles(_write(tmp_path, "flavors:\n  triton:\n    data: x\nmodel_id: null\n"))
    )

    assert mlmodel.run_id is None
    assert mlmodel.model_id is None
    assert mlmodel.signature == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flavors: [", "is not YAML"),
        ("", "names no flavors"),
        ("- a list\n", "names no flavors"),
        ("flavors: {}\n", "names no flavors"),
        ("flavors: text\n", "names no flavors"),
    ],
)
def test_what_is_no_mlmodel_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelSourceError, match=message):
        read_mlmodel(DirectoryFiles(_write(tmp_path, text)))


def test_a_directory_without_the_file_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelSourceError, match="has no file named MLmodel"):
        read_mlmodel(DirectoryFiles(tmp_path))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    gone = ListedFiles("here", {"MLmodel": LocalFile(tmp_path / "MLmodel", 1)})
    with pytest.raises(ModelSourceError, match="can't be read"):
        read_mlmodel(gone)
