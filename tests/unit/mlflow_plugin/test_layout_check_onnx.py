"""What is said where a configuration is not that of the ONNX graph beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.triton import FLAVOR
from mlflow_triton.layout_check import check_layout
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidPackageError, ModelSourceError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import StoredObject

_value = helper.make_tensor_value_info
BACKEND = 'backend: "onnxruntime"\n'
X = 'input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }\n'
Y = 'output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }\n'
RIGHT = f"{BACKEND}max_batch_size: 8\n{X}{Y}"


def _graph(element_type: int = TensorProto.FLOAT) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [_value("x", element_type, ["N", 3])],
        [_value("y", element_type, ["N", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def _made(root: Path, config: str, graphs: dict[str, bytes] | None = None) -> Path:
    for path, content in (graphs or {"1/model.onnx": _graph()}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "config.pbtxt").write_text(config, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "dims: [ 3 ] }\noutput",
            "dims: [ 4 ] }\noutput",
            (
                "config.pbtxt: input 'x' has dims [4] after the batch dimension "
                "(max_batch_size is 8), and in 1/model.onnx it has the shape [-1, 3]: "
                "write dims: [3]"
            ),
        ),
        (
            "TYPE_FP32 dims: [ 3 ] }\noutput",
            "TYPE_FP64 dims: [ 3 ] }\noutput",
            (
                "config.pbtxt: input 'x' is TYPE_FP64, and in 1/model.onnx it is TYPE_FP32: write "
                "data_type: TYPE_FP32"
            ),
        ),
        (
            "data_type: TYPE_FP32 dims: [ 3 ] }\noutput",
            "dims: [ 3 ] }\noutput",
            (
                "config.pbtxt: input 'x' has no data_type, and in 1/model.onnx it is TYPE_FP32: "
                "write data_type: TYPE_FP32"
            ),
        ),
        (
            '"x"',
            '"z"',
            (
                "config.pbtxt: input 'z' is none of those of 1/model.onnx (x): name it as the "
                "model does"
            ),
        ),
        (
            X,
            X + X,
            (
                "config.pbtxt: it asks for 2 inputs, and 1/model.onnx takes 1 (x): name each of "
                "the model's inputs once"
            ),
        ),
        (
            "dims: [ 3 ] }\noutput",
            "dims: [ 4 ] reshape { shape: [ 2, 2 ] } }\noutput",
            (
                "config.pbtxt: input 'x' is reshaped to [2, 2] after the batch dimension "
                "(max_batch_size is 8), and in 1/model.onnx it has the shape [-1, 3]: write "
                "reshape { shape: [3] }"
            ),
        ),
        (
            "onnxruntime",
            "onnxruntim",
            (
                "config.pbtxt: unknown backend 'onnxruntim'; did you mean 'onnxruntime'?: write "
                'backend: "onnxruntime", or deploy with -C check=off if it is a backend of yours'
            ),
        ),
    ],
)
def test_a_problem_says_what_is_on_both_sides(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert check_layout(_made(tmp_path / "right", RIGHT)) == []
    assert old in RIGHT
    found = check_layout(_made(tmp_path / "m", RIGHT.replace(old, new)))
    assert list(map(str, found)) == [problem]


def test_every_version_that_is_served_is_compared(tmp_path: Path) -> None:
    config = f"{RIGHT}version_policy {{ specific {{ versions: [ 1, 3 ] }} }}\n"
    other = _graph(TensorProto.DOUBLE)
    graphs = {"1/model.onnx": _graph(), "2/model.onnx": other, "3/model.onnx/model.onnx": other}
    found = check_layout(_made(tmp_path / "m", config, graphs))
    assert [("3/model.onnx/model.onnx" in one.message, one.path) for one in found] == [
        (True, "config.pbtxt")
    ] * 2


def test_configurations_for_hardware_are_compared_too(tmp_path: Path) -> None:
    root = _made(tmp_path / "m", RIGHT)
    (root / "configs").mkdir()
    (root / "configs" / "a100.pbtxt").write_text(RIGHT.replace("FP32", "FP16"), encoding="utf-8")
    assert {one.path for one in check_layout(root)} == {"configs/a100.pbtxt"}


@pytest.mark.parametrize(
    ("config", "graph"),
    [
        pytest.param(RIGHT, b"ORTM and more", id="no ONNX"),
        pytest.param(BACKEND, _graph(), id="left to the server"),
        pytest.param(BACKEND + X, _graph(), id="batching is left to the server"),
        pytest.param(RIGHT.replace("FP32", "BF16"), _graph(TensorProto.BFLOAT16), id="bfloat16"),
        pytest.param(RIGHT + 'runtime: "mine.so"\n', _graph(TensorProto.DOUBLE), id="own runtime"),
        pytest.param(RIGHT.replace("onnxruntime", "mine"), b"", id="own backend"),
        pytest.param(RIGHT.replace("onnxruntime", "onnxruntime_fast"), b"", id="own variant"),
    ],
)
def test_what_nobody_can_know_is_no_problem(tmp_path: Path, config: str, graph: bytes) -> None:
    assert check_layout(_made(tmp_path / "m", config, {"1/model.onnx": graph})) == []


def _packaged(files: DirectoryFiles | ListedFiles, *, check: bool = True) -> None:
    mlmodel = MLmodel(flavors={"triton": {"data": "data"}})
    model = FlavorInput(DeploymentName("iris"), files, mlmodel, "models:/iris/1")
    FLAVOR.package(model, PackageOptions(check=check))


def test_no_check_lets_everything_through(tmp_path: Path) -> None:
    _made(tmp_path / "data", RIGHT.replace("FP32", "FP64").replace("runtime", "runtim"))
    with pytest.raises(InvalidPackageError, match="did you mean 'onnxruntime'"):
        _packaged(DirectoryFiles(tmp_path))
    _packaged(DirectoryFiles(tmp_path), check=False)


class _Bucket:
    """Reads objects of a store, by the last two parts of their names."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content

    def read(self, stored: StoredObject, offset: int, length: int) -> bytes:
        found = self.content.get(stored.uri)
        if found is None:
            raise ModelSourceError("The object is lost. Log the model again.")
        return found[offset : offset + length]


def test_a_graph_in_a_store_is_read_there() -> None:
    wrong = RIGHT.replace("FP32", "FP64").encode()
    bucket = _Bucket({"s3://b/config.pbtxt": wrong, "s3://b/1/model.onnx": _graph()})
    listed = {
        f"data/{uri.removeprefix('s3://b/')}": StoredObject(uri, len(content))
        for uri, content in bucket.content.items()
    }
    files = ListedFiles("s3://b", listed, bucket)
    with pytest.raises(InvalidPackageError, match="input 'x' is TYPE_FP64, and"):
        _packaged(files)
    del bucket.content["s3://b/1/model.onnx"]
    with pytest.raises(ModelSourceError, match="lost"):
        _packaged(files)
