"""Saves small models with MLflow 2, as `test_logged_by_mlflow2` deploys them with MLflow 3.

They are in the repository, since no environment has both. To make them again, with MLflow 2.22:

    uv pip install -c constraints-mlflow2.txt mlflow onnx xgboost-cpu
    python tests/e2e/plugin/logged_by_mlflow2/make.py
"""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import onnx
import pandas as pd
import xgboost
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent
CODE = HERE / "scaled.py"


def twice() -> onnx.ModelProto:
    shape = ["rows", 3]
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "x"], ["y"])], "twice", [x], [y]
    )
    opset = onnx.helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)


def save() -> None:
    assert mlflow.__version__.startswith("2."), mlflow.__version__
    x, y = load_iris(return_X_y=True, as_frame=True)
    linear = LogisticRegression(max_iter=200).fit(x, y)
    trees = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(x, y)
    signature = infer_signature(x, linear.predict(x))
    nothing = {"pip_requirements": []}
    mlflow.sklearn.save_model(linear, HERE / "sklearn", signature=signature, **nothing)
    mlflow.xgboost.save_model(
        trees, HERE / "xgboost", model_format="json", signature=signature, **nothing
    )
    mlflow.onnx.save_model(twice(), HERE / "onnx", save_as_external_data=False, **nothing)
    frame = pd.DataFrame({"when": np.array(["2024-02-29"], "M8[ns]"), "value": [1.5]})
    mlflow.pyfunc.save_model(
        HERE / "python",
        python_model=str(CODE),
        signature=infer_signature(frame, frame[["value"]], params={"by": 2.0}),
        **nothing,
    )
    mlmodel = HERE / "python/MLmodel"  # which says where the code was on the machine that logged it
    mlmodel.write_text(mlmodel.read_text().replace(str(HERE), "/where/it/was"))


if __name__ == "__main__":
    save()
