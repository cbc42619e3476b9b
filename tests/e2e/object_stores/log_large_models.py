"""Logs models with large weights to an artifact store in a cloud, as a user would.

A program of its own, since MLflow's fluent interface changes the state of its process. Where
MLflow and the store are is in its environment.

Usage: python log_large_models.py ARTIFACT_LOCATION
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlflow_triton import flavor as triton_flavor

WIDTH = 200_000
NAME = "name" if int(mlflow.__version__.partition(".")[0]) >= 3 else "artifact_path"
CONFIG = """\
platform: "onnxruntime_onnx"
max_batch_size: 2
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
"""


def model(factor: float) -> onnx.ModelProto:
    """Multiplies the sum of a row by a factor; its weights are 4.8 MB."""
    weights = [
        numpy_helper.from_array(np.full((3, WIDTH), 1 / WIDTH, np.float32), "a"),
        numpy_helper.from_array(np.full((WIDTH, 3), factor, np.float32), "b"),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "a"], ["z"]),
            helper.make_node("MatMul", ["z", "b"], ["y"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def main(artifacts: str) -> None:
    experiment = mlflow.create_experiment("large", artifact_location=artifacts)
    uris = []
    for version, factor, external in ((1, 2.0, True), (2, 3.0, False)):
        with (
            mlflow.start_run(experiment_id=experiment) as run,
            tempfile.TemporaryDirectory() as here,
        ):
            info = mlflow.onnx.log_model(
                model(factor),
                **{NAME: "model"},
                registered_model_name="weights",
                pip_requirements=["onnx"],
                save_as_external_data=external,
            )
            uris += [info.model_uri, f"runs:/{run.info.run_id}/model"]
            uris += [mlflow.MlflowClient().get_model_version_download_uri("weights", str(version))]
            if not external:
                for name, text in (("config.pbtxt", CONFIG), ("labels.txt", "a\nb\nc\n")):
                    Path(here, name).write_text(text)
                    mlflow.log_artifact(str(Path(here, name)), "model")
    with mlflow.start_run(experiment_id=experiment), tempfile.TemporaryDirectory() as here:
        tree = Path(here, "tree")
        (tree / "1").mkdir(parents=True)
        onnx.save(model(4.0), str(tree / "1" / "model.onnx"))
        (tree / "config.pbtxt").write_text(CONFIG)
        (tree / "labels.txt").write_text("a\nb\nc\n")
        triton_flavor.log_model(str(tree), registered_model_name="tree")
    print(json.dumps(uris))


if __name__ == "__main__":
    main(sys.argv[1])
