"""Packages of the `onnx` flavor on a real Triton that completes no configuration."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.e2e.publish.onnx_models import onnx_model

from mlflow_triton.flavors.onnx import FLAVOR
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import LocalFile
from triton_deploy_transport.http import HttpServer
from triton_local_server import LocalTriton

DEADLINE = 60.0


@dataclass(frozen=True)
class _Case:
    model: onnx.ModelProto
    inputs: dict[str, NDArray[np.generic]]
    outputs: dict[str, NDArray[np.generic]]
    options: PackageOptions = PackageOptions()  # noqa: RUF009 - frozen


_value = helper.make_tensor_value_info
_FLOATS = np.arange(8, dtype=np.float32).reshape(2, 4)
_WEIGHTS = np.arange(4 * 600, dtype=np.float32).reshape(4, 600)

CASES = {
    "batched": _Case(
        onnx_model(
            [helper.make_node("Neg", ["X"], ["Y"])],
            [_value("X", TensorProto.FLOAT, ["N", 4])],
            [_value("Y", TensorProto.FLOAT, ["N", 4])],
        ),
        {"X": _FLOATS},
        {"Y": -_FLOATS},
        PackageOptions(max_batch_size=16, instance_count=2, dynamic_batching=True),
    ),
    "external": _Case(
        onnx_model(
            [helper.make_node("MatMul", ["X", "W"], ["Y"])],
            [_value("X", TensorProto.FLOAT, ["N", 4])],
            [_value("Y", TensorProto.FLOAT, ["N", 600])],
            [numpy_helper.from_array(_WEIGHTS, "W")],
        ),
        {"X": _FLOATS},
        {"Y": _FLOATS @ _WEIGHTS},
    ),
    "only-a-batch": _Case(
        onnx_model(
            [helper.make_node("ReduceMax", ["X"], ["Y"], axes=[1], keepdims=0)],
            [_value("X", TensorProto.FLOAT, ["N", 4])],
            [_value("Y", TensorProto.FLOAT, ["N"])],
        ),
        {"X": _FLOATS},
        {"Y": np.array([[3], [7]], dtype=np.float32)},
    ),
    "scalars": _Case(
        onnx_model(
            [helper.make_node("Neg", ["X"], ["Y"])],
            [_value("X", TensorProto.INT64, [])],
            [_value("Y", TensorProto.INT64, [])],
        ),
        {"X": np.array([3], dtype=np.int64)},
        {"Y": np.array([-3], dtype=np.int64)},
    ),
    "strings": _Case(
        onnx_model(
            [helper.make_node("Identity", ["X"], ["Y"])],
            [_value("X", TensorProto.STRING, ["rows", "words"])],
            [_value("Y", TensorProto.STRING, ["rows", "words"])],
        ),
        {"X": np.array([["a", "ü"]], dtype=object)},
        {"Y": np.array([[b"a", "ü".encode()]], dtype=object)},
    ),
    "fixed": _Case(
        onnx_model(
            [helper.make_node("Neg", ["X"], ["Y"])],
            [_value("X", TensorProto.DOUBLE, [2, None])],
            [_value("Y", TensorProto.DOUBLE, [2, None])],
        ),
        {"X": _FLOATS.astype(np.float64)},
        {"Y": -_FLOATS.astype(np.float64)},
    ),
}


def _deploy(name: str, model_path: Path, repository: Path, options: PackageOptions) -> None:
    files = DirectoryFiles(model_path)
    model = FlavorInput(DeploymentName(name), files, read_mlmodel(files), "local")
    package = FLAVOR.package(model, options)
    version = repository / name / "1"
    version.mkdir(parents=True)
    assert package.config is not None
    (repository / name / "config.pbtxt").write_bytes(package.config)
    for path, source in package.files.items():
        assert isinstance(source, LocalFile)
        (version / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.path, version / path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    scratch = tmp_path_factory.mktemp("packages")
    repository = scratch / "repository"
    for name, case in CASES.items():
        mlflow.onnx.save_model(
            case.model, str(scratch / name), pip_requirements=[], save_as_external_data=True
        )
        _deploy(name, scratch / name, repository, case.options)
    assert len(list((repository / "external" / "1").iterdir())) == 2
    with LocalTriton(repository, disable_auto_complete=True, exit_timeout=0) as triton:
        http = HttpServer(triton.url)
        yield http
        http.close()


@pytest.mark.parametrize("name", CASES)
def test_a_generated_config_is_all_that_triton_needs(server: HttpServer, name: str) -> None:
    case = CASES[name]
    server.load(name, timeout=DEADLINE)

    outputs = server.infer(name, case.inputs, timeout=DEADLINE)

    assert set(outputs) == set(case.outputs)
    for output, expected in case.outputs.items():
        assert outputs[output].dtype == expected.dtype
        np.testing.assert_array_equal(outputs[output], expected)
