"""Logs what the tests of this folder look for, as a user would; prints its ids as JSON.

A program of its own, since MLflow's fluent interface changes the state of its process.

Usage: python log_models.py TRACKING_URI [ARTIFACT_LOCATION]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import onnx
from mlflow import MlflowClient
from onnx import TensorProto, helper

FILES = {
    "config.pbtxt": 'backend: "onnxruntime"\n',
    "configs/gpu.pbtxt": "instance_group { count: 2 }\n",
    "labels.txt": "setosa\n",
    "notes.md": "not for Triton\n",
}


def identity() -> onnx.ModelProto:
    value = [TensorProto.FLOAT, [None, 2]]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", *value)],
        [helper.make_tensor_value_info("y", *value)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def log(files: dict[str, str]) -> dict[str, str | None]:
    with mlflow.start_run() as run:
        info = mlflow.onnx.log_model(
            identity(), "triton", pip_requirements=["onnx"], registered_model_name="iris"
        )
        with tempfile.TemporaryDirectory() as scratch:
            for name, content in files.items():
                directory, _, file = name.rpartition("/")
                path = Path(scratch, file)
                path.write_text(content)
                mlflow.log_artifact(str(path), f"triton/{directory}".rstrip("/"))
            deeper = Path(scratch, "deeper.txt")
            deeper.write_text("")
            mlflow.log_artifact(str(deeper), "triton/deeper")
    return {
        "run_id": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "model_id": getattr(info, "model_id", None),
    }


def main(tracking_uri: str, artifact_location: str | None) -> None:
    mlflow.set_tracking_uri(tracking_uri)
    client = MlflowClient()
    mlflow.set_experiment(
        experiment_id=client.create_experiment("source", artifact_location=artifact_location)
    )
    first, second = log(FILES), log({})
    deleted = log(FILES)
    client.delete_run(deleted["run_id"])
    client.set_registered_model_alias("iris", "champion", "1")
    client.transition_model_version_stage("iris", "2", "Production")
    print(json.dumps({"first": first, "second": second, "deleted": deleted}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
