"""Logs the models that these tests deploy, as a user would; prints what is to know as JSON.

A program of its own, since MLflow's fluent interface changes the state of its process.

Usage: python log_models.py EXAMPLES_DIRECTORY
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import onnx
from mlflow import MlflowClient
from onnx import TensorProto, helper, numpy_helper

from mlflow_triton import flavor as triton_flavor

USERS_CONFIG = """\
# written by hand
platform: "onnxruntime_onnx"
max_batch_size: 0
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ -1, 3 ] label_filename: "labels.txt" } ]
"""
MLFLOW_3 = int(mlflow.__version__.partition(".")[0]) >= 3


def log_onnx(model: onnx.ModelProto, registered: str, **options: object) -> dict[str, str]:
    """Log as the manual does, and return the model's URIs."""
    with mlflow.start_run() as run:
        info = mlflow.onnx.log_model(
            model,
            **{"name" if MLFLOW_3 else "artifact_path": "triton"},
            registered_model_name=registered,
            pip_requirements=["onnx"],
            **options,
        )
    return {
        "runs": f"runs:/{run.info.run_id}/triton",
        "run_id": run.info.run_id,
        "model": f"models:/{info.model_id}" if MLFLOW_3 else f"runs:/{run.info.run_id}/triton",
    }


def beside(run_id: str, **files: str) -> None:
    with mlflow.start_run(run_id=run_id), tempfile.TemporaryDirectory() as scratch:
        for name, content in files.items():
            path = Path(scratch, name.replace("__", "."))
            path.write_text(content)
            mlflow.log_artifact(str(path), "triton")


def model(nodes: list, inputs: list, outputs: list, initializers: tuple = ()) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializer=list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def value(name: str, shape: list, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def doubling() -> onnx.ModelProto:
    return model(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        [value("x", ["batch", 3])],
        [value("y", ["batch", 3])],
    )


def with_weights() -> onnx.ModelProto:
    """A tensor large enough for MLflow to store it as external data."""
    weights = numpy_helper.from_array(np.ones((3, 4096), dtype=np.float32), "w")
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", ["batch", 3])],
        [value("y", ["batch", 4096])],
        (weights,),
    )


def unloadable() -> onnx.ModelProto:
    """Well-formed, but of an operator that no runtime has."""
    return model(
        [helper.make_node("NoSuchOperator", ["x"], ["y"])],
        [value("x", ["batch", 3])],
        [value("y", ["batch", 3])],
    )


def log_tree(directory: Path, registered: str) -> None:
    with mlflow.start_run():
        triton_flavor.log_model(
            str(directory),
            **{"name" if MLFLOW_3 else "artifact_path": "triton"},
            registered_model_name=registered,
        )


def ensemble(directory: Path) -> Path:
    (directory / "chain" / "1").mkdir(parents=True)
    (directory / "chain" / "config.pbtxt").write_text(
        """\
platform: "ensemble"
max_batch_size: 4
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 3 ] } ]
ensemble_scheduling {
  step [
    {
      model_name: "twice"
      model_version: -1
      input_map { key: "x" value: "IN" }
      output_map { key: "y" value: "OUT" }
    }
  ]
}
"""
    )
    return directory / "chain"


def main(examples: Path) -> None:
    sys.path.insert(0, str(examples))
    from make_example import NAME, build_model

    logged = {"first": log_onnx(build_model(1), NAME), "second": log_onnx(build_model(2), NAME)}
    MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    logged["twice"] = log_onnx(doubling(), "twice")
    logged["configured"] = log_onnx(doubling(), "configured")
    beside(
        logged["configured"]["run_id"],
        config__pbtxt=USERS_CONFIG,
        labels__txt="a\nb\nc\n",
        notes__md="not Triton's",
    )
    logged["weights"] = log_onnx(with_weights(), "weights", save_as_external_data=True)
    logged["unloadable"] = log_onnx(unloadable(), "unloadable")
    log_tree(examples / NAME, "tree")
    with tempfile.TemporaryDirectory() as scratch:
        log_tree(ensemble(Path(scratch)), "chain")
    copy = mlflow.artifacts.download_artifacts(logged["twice"]["runs"], dst_path="copies")
    print(json.dumps({**logged, "users_config": USERS_CONFIG, "copy_of_twice": copy}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
