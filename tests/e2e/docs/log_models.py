"""Registers the model that pages speak of, `iris`, in two versions.

A program of its own, since MLflow's fluent interface changes the state of its process.

Usage: python log_models.py EMPTY, where a copy of the store goes before anything is in it
"""

from __future__ import annotations

import os
import shutil
import sys

import mlflow
import onnx
from mlflow import MlflowClient
from onnx import TensorProto, helper


def register_models() -> None:
    for name, factor in (("iris", 1.0), ("iris", 2.0)):
        with mlflow.start_run():
            mlflow.onnx.log_model(
                _scaled(factor), name="model", registered_model_name=name, pip_requirements=["onnx"]
            )
    MlflowClient().set_registered_model_alias("iris", "champion", "2")


def _scaled(factor: float) -> onnx.ModelProto:
    tensor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["INPUT0", "factor"], ["OUTPUT0"])],
        "scaled",
        [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, ["batch", 4])],
        initializer=[tensor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


if __name__ == "__main__":
    MlflowClient().search_experiments()  # makes the tables, which takes some seconds
    shutil.copy(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"), sys.argv[1])
    register_models()
