"""Saves the models in OpenVINO's IR that `test_openvino` deploys.

Usage: python openvino_models.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as ops

import mlflow_triton.openvino


def from_onnx(directory: Path) -> openvino.Model:
    """A linear layer and a ReLU over any number of rows."""
    weights = numpy_helper.from_array(np.array([[1, 2], [3, -4], [5, 6]], np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["r"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2]) for name in "yr"],
        [weights],
    )
    path = directory / "model.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return openvino.convert_model(path)


def of_many_types() -> openvino.Model:
    whole = ops.parameter([1, 2], np.int64)
    half = ops.parameter([2], np.float16)
    whole.output(0).get_tensor().set_names({"a,b", "c"})
    half.output(0).get_tensor().set_names({"h"})
    double = ops.convert(ops.add(half, half), "f64")
    nodes = {
        "sum": ops.reduce_sum(whole, ops.constant(np.array([0, 1])), keep_dims=True),
        "above": ops.greater(half, ops.constant(np.float16(1))),
        "double": double,
    }
    for name, node in nodes.items():
        node.output(0).get_tensor().set_names({name})
    return openvino.Model([ops.result(node) for node in nodes.values()], [whole, half], "types")


def save(directory: Path) -> None:
    directory.mkdir()
    models = {"rows": from_onnx(directory), "types": of_many_types()}
    for name, model in models.items():
        file = directory / f"{name}.xml"
        openvino.save_model(model, file, compress_to_fp16=False)
        example = {"x": np.ones((2, 3), np.float32)} if name == "rows" else None
        mlflow_triton.openvino.save_model(file, directory / name, input_example=example)


if __name__ == "__main__":
    save(Path(sys.argv[1]))
