"""Whatever a model calls its tensors, the configuration made of it says nothing else."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto

from mlflow_triton.flavors.onnx_config import generate_config
from mlflow_triton.flavors.onnx_graph import OnnxGraph, OnnxTensor
from mlflow_triton.flavors.packaging import PackageOptions
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_transport.pbtxt import parse

INJECTION = 'x" } parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/evil'


@given(st.text(min_size=1, max_size=60))
@example(INJECTION)
@example("a\nbackend: 'python'")
@example("\\")
def test_the_name_of_a_tensor_is_a_name_and_nothing_more(name):
    tensor = OnnxTensor(name, TensorProto.FLOAT, (1, 3))
    output = OnnxTensor("OUT", TensorProto.FLOAT, (1, 3))
    with suppress(InvalidPackageError):
        config = parse(generate_config(OnnxGraph((tensor,), (output,)), PackageOptions()))
        assert [item.name for item in config.input] == [name]
        assert [item.name for item in config.output] == ["OUT"]
        assert config.backend == "onnxruntime"
        assert not config.parameters
