from __future__ import annotations

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
from mlflow.deployments import BaseDeploymentClient, get_deploy_client

import mlflow_triton.deployments as plugin
from mlflow_triton.exceptions import TritonDeploymentError
from mlflow_triton.predicting import Predictor
from triton_deploy_core.errors import ModelNotServedError
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in list(os.environ):
        if name.startswith("TRITON_"):
            monkeypatch.delenv(name)


def test_mlflow_finds_exactly_one_client_in_the_module():
    found = [
        member
        for _, member in inspect.getmembers(plugin, inspect.isclass)
        if issubclass(member, BaseDeploymentClient) and member is not BaseDeploymentClient
    ]
    assert found == [plugin.TritonDeploymentClient]
    assert isinstance(get_deploy_client("triton"), plugin.TritonDeploymentClient)


def test_the_parameters_are_those_of_mlflows_interface():
    for name in ("create", "update", "delete", "get"):
        ours = inspect.signature(getattr(plugin.TritonDeploymentClient, f"{name}_deployment"))
        mlflows = inspect.signature(getattr(BaseDeploymentClient, f"{name}_deployment"))
        assert list(ours.parameters) == list(mlflows.parameters)
    for name in ("list_deployments", "predict"):
        ours = inspect.signature(getattr(plugin.TritonDeploymentClient, name))
        mlflows = inspect.signature(getattr(BaseDeploymentClient, name))
        positional = [
            key for key, given in ours.parameters.items() if given.kind is not given.KEYWORD_ONLY
        ]
        assert positional == list(mlflows.parameters)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_deployment", ("x", "models:/x/1")),
        ("update_deployment", ("x",)),
        ("delete_deployment", ("x",)),
        ("list_deployments", ()),
        ("get_deployment", ("x",)),
        ("predict", ("x", {})),
    ],
)
def test_an_endpoint_is_refused(method, arguments):
    client = get_deploy_client("triton")
    with pytest.raises(TritonDeploymentError, match="no endpoints, so there is no 'e'"):
        getattr(client, method)(*arguments, endpoint="e")


def test_without_a_repository_nothing_is_asked_of_anybody():
    # Port 1 refuses: had the server been asked first, the message would be about it.
    client = get_deploy_client("triton://localhost:1")
    with pytest.raises(TritonDeploymentError, match="Set TRITON_MODEL_REPO"):
        client.list_deployments()


def test_the_import_brings_in_none_of_the_heavy_libraries():
    heavy = "pandas", "onnx", "tritonclient", "triton_local_server", "mlflow_triton.source"
    program = f"""\
import mlflow.deployments, sys
before = set(sys.modules)
import mlflow_triton.deployments
mlflow_triton.deployments.target_help()
new = set(sys.modules) - before
assert not new & set({heavy!r}), new & set({heavy!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


class _Server:
    """Answers one model, the outputs in another order than its metadata."""

    def metadata(self, name: str) -> ModelMetadata:
        if name != "iris":
            raise ModelNotServedError(f"{name!r} is not served")
        names = "first", "left out", "second"
        outputs = tuple(TensorSpec(output, "FP32", (-1,)) for output in names)
        inputs = (TensorSpec("x", "FP32", (-1,)),)
        return ModelMetadata(name, (1,), "onnxruntime_onnx", inputs, outputs)

    def config(self, name: str) -> dict[str, object]:
        return {"max_batch_size": 0}

    def infer(self, name, inputs, *, timeout, options):
        assert (timeout, options) == (3, None)
        return {"second": inputs["x"] * 2, "first": inputs["x"]}


def test_outputs_come_in_the_models_own_order():
    frame = Predictor(_Server()).predict("iris", {"x": [1.0]}, timeout=3)
    assert list(frame.index) == ["first", "second"]
    np.testing.assert_array_equal(frame.loc["second"]["outputs"], [2.0])
