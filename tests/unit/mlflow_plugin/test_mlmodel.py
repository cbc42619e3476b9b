from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_triton.flavors import SUPPORTED_FLAVORS, load_flavor
from mlflow_triton.mlmodel import MLmodel, infer_flavor, read_mlmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidRequestError, ModelSourceError
from triton_deploy_core.ports.store import LocalFile


def _model(*flavors: str) -> MLmodel:
    return MLmodel(flavors={name: {} for name in flavors})


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


@pytest.mark.parametrize("flavor", SUPPORTED_FLAVORS)
def test_the_only_flavor_that_fits_is_inferred(flavor: str) -> None:
    assert infer_flavor(_model(flavor, "python_function"), None) == flavor
    assert infer_flavor(_model(flavor, "python_function"), "") == flavor


def test_a_requested_flavor_decides() -> None:
    assert infer_flavor(_model("onnx", "triton"), "triton") == "triton"


@pytest.mark.parametrize(
    ("flavors", "requested", "message"),
    [
        (("onnx", "triton"), None, "several flavors .*: onnx, triton; supported: onnx, triton"),
        (("sklearn", "python_function"), None, "no flavor that can be deployed .*sklearn"),
        (("onnx",), "triton", "has no flavor 'triton' .*: onnx; supported"),
        (("sklearn",), "sklearn", "'sklearn' is not supported"),
    ],
)
def test_what_cannot_be_deployed_names_what_is_there_and_what_is_supported(
    flavors: tuple[str, ...], requested: str | None, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        infer_flavor(_model(*flavors), requested)


@pytest.mark.parametrize("name", SUPPORTED_FLAVORS)
def test_every_supported_flavor_has_a_module(name: str) -> None:
    assert callable(load_flavor(name).package)


def test_an_unsupported_flavor_has_none() -> None:
    with pytest.raises(InvalidRequestError, match="'sklearn' is not supported"):
        load_flavor("sklearn")
