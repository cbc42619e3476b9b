"""A complete configuration from the graph."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import TensorProto

from mlflow_triton.flavors.onnx_config import generate_config
from mlflow_triton.flavors.onnx_graph import Dimension, OnnxGraph, OnnxTensor
from mlflow_triton.flavors.packaging import PackageOptions
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

Shape = tuple[Dimension, ...] | None


def _graph(
    inputs: list[Shape], outputs: list[Shape], element: int = TensorProto.FLOAT
) -> OnnxGraph:
    return OnnxGraph(
        tuple(OnnxTensor(f"in{index}", element, shape) for index, shape in enumerate(inputs)),
        tuple(OnnxTensor(f"out{index}", element, shape) for index, shape in enumerate(outputs)),
    )


def _config(graph: OnnxGraph, **options: Any) -> ModelConfig:
    config = parse(generate_config(graph, PackageOptions(**options)))
    assert check_config(config, name="any", auto_complete=False) == []
    assert not config.name
    assert not config.HasField("version_policy")
    assert config.backend == "onnxruntime"
    return config


def test_a_free_first_dimension_everywhere_is_the_batch_dimension() -> None:
    config = _config(_graph([("N", 16), ("N", 3, None)], [("N", "M")]))

    assert config.max_batch_size == 4
    assert config.HasField("dynamic_batching")
    assert [list(entry.dims) for entry in config.input] == [[16], [3, -1]]
    assert [list(entry.dims) for entry in config.output] == [[-1]]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([(1, 16)], [(1, 16)]),
        ([("N", 16)], [(1, 16)]),
        ([("N", 16), (16,)], [("N", 16)]),
        ([("rows", 16), ("words", 16)], [("rows", 16)]),
        ([("N", 16)], [()]),
    ],
)
def test_anything_else_has_no_batch_dimension(inputs: list[Shape], outputs: list[Shape]) -> None:
    config = _config(_graph(inputs, outputs))

    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    for entry, shape in zip(config.input, inputs, strict=True):
        assert len(entry.dims) == len(shape or ())


def test_dimensions_without_a_name_are_free() -> None:
    assert _config(_graph([(None, 4)], [(None,)])).max_batch_size == 4


def test_the_batch_dimension_alone_is_reshaped_away() -> None:
    config = _config(_graph([("N", 4)], [("N",)]))

    assert list(config.output[0].dims) == [1]
    assert config.output[0].HasField("reshape")
    assert list(config.output[0].reshape.shape) == []


def test_a_scalar_without_batching_is_one_element() -> None:
    config = _config(_graph([()], [()]))

    assert list(config.input[0].dims) == [1]
    assert not config.input[0].HasField("reshape")


def test_options_shape_the_configuration() -> None:
    config = _config(
        _graph([("N", 4)], [("N", 4)]), max_batch_size=32, instance_count=2, dynamic_batching=False
    )

    assert config.max_batch_size == 32
    assert not config.HasField("dynamic_batching")
    assert config.instance_group[0].count == 2


def test_a_batch_of_one_is_not_joined_unless_asked_for() -> None:
    graph = _graph([("N", 4)], [("N", 4)])
    assert not _config(graph, max_batch_size=1).HasField("dynamic_batching")
    assert _config(graph, max_batch_size=1, dynamic_batching=True).HasField("dynamic_batching")


def test_batching_can_be_turned_off() -> None:
    config = _config(_graph([("N", 4)], [("N", 4)]), max_batch_size=0)
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [-1, 4]


def test_first_dimensions_of_different_names_are_a_batch_if_the_user_says_so() -> None:
    assert _config(_graph([("N", 4)], [("M", 4)]), max_batch_size=8).max_batch_size == 8


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (_graph([(1, 4)], [("N", 4)]), {"max_batch_size": 8}, r"'in0'.*\[1, 4\], is not free"),
        (_graph([("N", 4)], [()]), {"max_batch_size": 8}, "'out0'"),
        (_graph([("N", 4)], [("N",)]), {"max_batch_size": -1}, "negative"),
        (_graph([(1, 4)], [(1, 4)]), {"dynamic_batching": True}, "no batch dimension"),
        (_graph([("N", 4)], [("N",)]), {"instance_count": 0}, "too small"),
    ],
)
def test_options_that_the_model_cannot_have_are_refused(
    graph: OnnxGraph, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        generate_config(graph, PackageOptions(**options))


@pytest.mark.parametrize(
    ("element", "name"),
    [
        (TensorProto.BOOL, "TYPE_BOOL"),
        (TensorProto.UINT8, "TYPE_UINT8"),
        (TensorProto.UINT16, "TYPE_UINT16"),
        (TensorProto.UINT32, "TYPE_UINT32"),
        (TensorProto.UINT64, "TYPE_UINT64"),
        (TensorProto.INT8, "TYPE_INT8"),
        (TensorProto.INT16, "TYPE_INT16"),
        (TensorProto.INT32, "TYPE_INT32"),
        (TensorProto.INT64, "TYPE_INT64"),
        (TensorProto.FLOAT16, "TYPE_FP16"),
        (TensorProto.FLOAT, "TYPE_FP32"),
        (TensorProto.DOUBLE, "TYPE_FP64"),
        (TensorProto.STRING, "TYPE_STRING"),
    ],
)
def test_every_type_of_the_backend_is_known(element: int, name: str) -> None:
    text = generate_config(_graph([(2,)], [(2,)], element), PackageOptions()).decode()
    assert text.count(f"data_type: {name}\n") == 2


@pytest.mark.parametrize("element", [TensorProto.BFLOAT16, TensorProto.COMPLEX64])
def test_other_types_are_refused(element: int) -> None:
    name = TensorProto.DataType.Name(element)
    with pytest.raises(InvalidPackageError, match=f"'in0' has ONNX type {name}"):
        generate_config(_graph([(2,)], [(2,)], element), PackageOptions())


def test_a_shape_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidPackageError, match="what shape 'out0' has"):
        generate_config(_graph([(2,)], [None]), PackageOptions())
