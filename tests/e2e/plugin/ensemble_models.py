"""Saves the models that `test_ensembles` chains: a scaler, trees on what it gives, and labels.

Usage: python ensemble_models.py DIRECTORY
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow.models import infer_signature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

SAVING = "SAVING_MODELS_OF_TESTS"
NEEDED = [f"mlflow=={mlflow.__version__}"]


class Scales(mlflow.pyfunc.PythonModel):
    def __init__(self, scaler: StandardScaler) -> None:
        self.scaler = scaler

    def predict(self, context, model_input, params=None):
        return self.scaler.transform(model_input)


class Labels(mlflow.pyfunc.PythonModel):
    """Names the class with the largest probability."""

    def predict(self, context, model_input, params=None):
        names = np.array(["setosa", "versicolor", "virginica"])
        given = model_input["probabilities"]
        return pd.DataFrame(
            {
                "species": names[given.argmax(axis=1)],
                "probability": given.max(axis=1).astype(np.float64),
            }
        )


class Names(mlflow.pyfunc.PythonModel):
    """Names classes."""

    def predict(self, context, model_input, params=None):
        names = np.array(["setosa", "versicolor", "virginica"])
        return pd.DataFrame({"species": names[model_input["kind"].astype(int)]})


class NeverLoads(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        if SAVING not in os.environ:  # MLflow 2 loads a model while it saves it
            raise LookupError("the labels are lost")

    def predict(self, context, model_input, params=None):
        return pd.DataFrame()


def main(directory: Path) -> None:
    os.environ[SAVING] = "1"
    rows, kinds = load_iris(return_X_y=True, as_frame=True)
    rows = rows.astype(np.float32)
    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows)
    mlflow.pyfunc.save_model(
        str(directory / "scaler"),
        python_model=Scales(scaler),
        signature=infer_signature(rows, scaled),
        pip_requirements=NEEDED,
    )
    for name, trees in {"few_trees": 2, "more_trees": 12}.items():
        model = xgboost.XGBClassifier(n_estimators=trees, n_jobs=1).fit(scaled, kinds)
        mlflow.xgboost.save_model(
            model,
            str(directory / name),
            model_format="ubj",
            signature=infer_signature(scaled, model.predict(scaled)),
            pip_requirements=[],
        )
    probabilities = TensorSpec(np.dtype(np.float32), (-1, 3), "probabilities")
    labels = Schema([ColSpec("string", "species"), ColSpec("double", "probability")])
    species = Schema([ColSpec("string", "species")])
    words = Schema([ColSpec("string", "words")])
    for name, model, inputs in [
        ("labels", Labels(), Schema([probabilities])),
        ("names", Names(), Schema([ColSpec("float", "kind")])),
        ("never_loads", NeverLoads(), Schema([probabilities])),
        ("of_words", Labels(), words),
    ]:
        mlflow.pyfunc.save_model(
            str(directory / name),
            python_model=model,
            signature=mlflow.models.ModelSignature(inputs, species if name == "names" else labels),
            pip_requirements=NEEDED,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
