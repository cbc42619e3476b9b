"""Saves the Python models that `test_pyfunc` deploys.

Usage: python pyfunc_models.py DIRECTORY WHEEL
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

SIGNATURE = mlflow.models.ModelSignature


class Echo(mlflow.pyfunc.PythonModel):
    """Returns every column as it came, and how many rows there were beside each."""

    def predict(self, context, model_input, params=None):
        if (model_input["whole"] < 0).any():
            raise LookupError("there is nothing below zero")
        return model_input.assign(
            rows=np.int64(len(model_input)), factor=np.float64((params or {})["factor"])
        )


class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return {"twice": model_input["x"] * 2, "sum": model_input["x"].sum(axis=1)}


class NeedsTiny(mlflow.pyfunc.PythonModel):
    """Needs a package that nobody has but who installs it from its wheel."""

    def load_context(self, context):
        import tiny

        self.answer = tiny.ANSWER

    def predict(self, context, model_input, params=None):
        return pd.Series(np.full(len(model_input), self.answer, np.int64))


class Dies(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import os

        if len(model_input) > 1:
            os._exit(3)
        return pd.Series(np.zeros(len(model_input)))


def columns() -> Schema:
    return Schema(
        [
            ColSpec("boolean", "flag"),
            ColSpec("integer", "small"),
            ColSpec("long", "whole"),
            ColSpec("float", "single"),
            ColSpec("double", "number"),
            ColSpec("string", "text"),
            ColSpec("binary", "raw"),
            ColSpec("datetime", "when"),
            ColSpec(Array(DataType.long), "many"),
            ColSpec("double", "perhaps", required=False),
        ]
    )


def save(model: object, path: Path, signature: object, *requirements: str) -> None:
    needed = [f"mlflow=={mlflow.__version__}", *requirements]
    mlflow.pyfunc.save_model(
        str(path), python_model=model, signature=signature, pip_requirements=needed
    )


def save_sklearn(model: object, path: Path, inputs: object) -> None:
    mlflow.sklearn.save_model(
        model,
        str(path),
        signature=infer_signature(inputs, model.predict(inputs)),
        serialization_format="cloudpickle",
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )


def main(directory: Path, wheel: str) -> None:
    outputs = Schema([*columns(), ColSpec("long", "rows"), ColSpec("double", "factor")])
    echo = SIGNATURE(columns(), outputs, infer_signature(params={"factor": 1.5}).params)
    x = TensorSpec(np.dtype(np.float32), (-1, 3), "x")
    tensors = SIGNATURE(
        Schema([x]),
        Schema(
            [
                TensorSpec(np.dtype(np.float32), (-1, 3), "twice"),
                TensorSpec(np.dtype(np.float32), (-1,), "sum"),
            ]
        ),
    )
    one = SIGNATURE(Schema([ColSpec("long", "x")]), Schema([ColSpec("long")]))
    double = SIGNATURE(Schema([ColSpec("long", "x")]), Schema([ColSpec("double")]))
    iris, kinds = load_iris(return_X_y=True, as_frame=True)
    save(Echo(), directory / "echo", echo)
    save(Twice(), directory / "twice", tensors)
    save(NeedsTiny(), directory / "tiny", one, f"tiny @ file://{wheel}")
    save(Dies(), directory / "dies", double)
    save(Dies(), directory / "unsigned", None)
    forest = RandomForestClassifier(5, random_state=1).fit(iris, kinds)
    save_sklearn(forest, directory / "forest", iris)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
