"""Saves the models of scikit-learn that `test_converted` deploys.

Usage: python sklearn_models.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

IRIS = load_iris(return_X_y=True, as_frame=True)
SPECIES = np.array(["setosa", "versicolor", "virginica"])[IRIS[1]]
DIABETES = load_diabetes(return_X_y=True, as_frame=True)
PEOPLE = pd.DataFrame(
    {
        "city": ["Bern", "Oslo", "Bern", "Rome"] * 6,
        "age": np.arange(24, dtype=np.int64) + 20,
        "income": np.linspace(1e3, 9e3, 24),
    }
)
TEXTS = np.array(["good day", "bad day", "so so", "good good"])
SECONDS = pd.DataFrame({"time": 1.7e9 + np.arange(40.0)})
"""Numbers that single precision can't tell apart."""


def people() -> object:
    columns = ColumnTransformer(
        [("city", OneHotEncoder(), ["city"]), ("numbers", StandardScaler(), ["income", "age"])]
    )
    return make_pipeline(columns, LogisticRegression()).fit(PEOPLE, PEOPLE["age"] > 31)


def save(directory: Path) -> None:
    sparse = csr_matrix(IRIS[0].to_numpy())
    models = {
        "labels": (RandomForestClassifier(8, random_state=0).fit(IRIS[0], SPECIES), IRIS[0]),
        "regression": (make_pipeline(StandardScaler(), Ridge()).fit(*DIABETES), DIABETES[0]),
        "people": (people(), PEOPLE),
        "texts": (
            make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression()).fit(
                TEXTS, list("abca")
            ),
            TEXTS,
        ),
        "sparse": (LogisticRegression(max_iter=500).fit(sparse, IRIS[1]), sparse),
        "margins": (LinearSVC().fit(*IRIS), IRIS[0]),
        "double": (make_pipeline(StandardScaler(), Ridge()).fit(SECONDS, np.arange(40)), SECONDS),
        "differs": (
            make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(
                SECONDS, np.arange(40) // 20
            ),
            SECONDS,
        ),
        "own_code": (make_pipeline(FunctionTransformer(np.sin), Ridge()).fit(*IRIS), IRIS[0]),
        "no_example": (LogisticRegression(max_iter=500).fit(*IRIS), None),
    }
    pickled = {"serialization_format": "cloudpickle"}
    for name, (model, example) in models.items():
        mlflow.sklearn.save_model(
            model,
            directory / name,
            input_example=example,
            signature=None if example is not None else mlflow.models.infer_signature(*IRIS),
            pip_requirements=[],
            **pickled,
        )


if __name__ == "__main__":
    save(Path(sys.argv[1]))
