"""From an engine of TensorRT to a package: nobody here can read the engine itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

import mlflow_triton.tensorrt
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.flavors.tensorrt import FLAVOR
from mlflow_triton.mlmodel import MLmodel, read_mlmodel
from mlflow_triton.model_files import DirectoryFiles, ListedFiles
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

IMAGES = {"type": "tensor", "name": "images", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}
SCORES = {"type": "tensor", "name": "scores", "tensor-spec": {"dtype": "float16", "shape": [-1, 9]}}
SIGNATURE = {"inputs": [IMAGES], "outputs": [SCORES]}


def package(
    signature: dict[str, Any] | None = None, *, complete: bool = True, **options: Any
) -> ModelConfig:
    written = {side: json.dumps(specs) for side, specs in (signature or {}).items()}
    made = FLAVOR.package(
        FlavorInput(
            DeploymentName("x"),
            ListedFiles("models:/x/1", {"best.engine": Content(b"engine")}),
            MLmodel({"tensorrt": {"data": "best.engine"}}, signature=written),
            "models:/x/1",
        ),
        PackageOptions(**options),
    )
    assert isinstance(made, VersionPackage)
    assert made.files == {"model.plan": Content(b"engine")}
    config = parse(made.config)
    assert check_config(config, name="x", auto_complete=not complete) == []
    return config


def described(tensors: Any) -> list[tuple[str, list[int]]]:
    return [(tensor.name, [*tensor.dims]) for tensor in tensors]


def test_inputs_and_outputs_are_the_signatures():
    config = package(SIGNATURE)
    assert config.backend == "tensorrt"
    assert config.max_batch_size == 0
    assert described(config.input) == [("images", [-1, 3])]
    assert described(config.output) == [("scores", [-1, 9])]
    config = package(SIGNATURE, max_batch_size=16)
    assert described(config.input) == [("images", [3])]
    assert config.HasField("dynamic_batching")


@pytest.mark.parametrize(
    "signature",
    [
        None,
        {"inputs": [IMAGES]},
        {"inputs": [{key: IMAGES[key] for key in ("type", "tensor-spec")}], "outputs": [SCORES]},
        {"inputs": [{"type": "double", "name": "images"}], "outputs": [SCORES]},
    ],
)
def test_what_the_signature_does_not_say_is_left_to_the_server(signature, warnings_told):
    config = package(signature, complete=False, max_batch_size=8)
    assert not config.input
    assert not config.output
    assert (config.backend, config.max_batch_size) == ("tensorrt", 8)
    (warning,) = warnings_told()
    assert "the server has to complete the configuration" in warning


def test_a_type_that_no_engine_has():
    wrong = {**IMAGES, "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}
    with pytest.raises(UnsuitableModelError, match="'images' is FP64, which no engine"):
        package({**SIGNATURE, "inputs": [wrong]})


@pytest.mark.parametrize("signature", [SIGNATURE, None])
def test_a_batch_limit_below_zero(signature):
    with pytest.raises(InvalidSettingError, match="max_batch_size=-1 is negative"):
        package(signature, max_batch_size=-1)


def test_saving_keeps_the_signature(tmp_path: Path):
    (tmp_path / "best.engine").write_bytes(b"engine")
    spec = TensorSpec(np.dtype("float32"), (-1, 3), "images")
    signature = ModelSignature(inputs=Schema([spec]), outputs=Schema([spec]))
    mlflow_triton.tensorrt.save_model(
        tmp_path / "best.engine", tmp_path / "saved", signature=signature
    )
    mlmodel = read_mlmodel(DirectoryFiles(tmp_path / "saved"))
    assert mlmodel.flavors == {"tensorrt": {"data": "model.plan"}}
    assert json.loads(mlmodel.signature["inputs"]) == [IMAGES]
