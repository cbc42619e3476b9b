"""Models that were logged under MLflow 2, deployed under the MLflow that is here.

MLflow 2 laid a model out among the artifacts of its run; the registry's version points there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.datasets import load_iris

LOGGED = Path(__file__).with_name("logged_by_mlflow2")
IRIS = load_iris(as_frame=True).data
HERE = {"env": f"python:{sys.executable}"}


@pytest.fixture(scope="module")
def registered(store) -> dict[str, str]:
    """Model URIs by name, registered as MLflow 2 did."""
    mlflow_client = MlflowClient(store.tracking_uri, store.tracking_uri)
    run = mlflow_client.create_run("0").info
    uris = {}
    for kind in ("onnx", "python", "sklearn", "xgboost"):
        name = f"mlflow2_{kind}"
        mlflow_client.log_artifacts(run.run_id, str(LOGGED / kind), kind)
        mlflow_client.create_registered_model(name)
        version = mlflow_client.create_model_version(
            name, f"{run.artifact_uri}/{kind}", run_id=run.run_id
        )
        uris[kind] = f"models:/{name}/{version.version}"
    return uris


def test_each_is_deployed_as_its_own_flavor(client, registered):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert client.create_deployment("onnx", registered["onnx"])["flavor"] == "onnx"
    np.testing.assert_array_equal(client.predict("onnx", {"x": x}).loc["y", "outputs"], 2 * x)

    assert client.create_deployment("trees", registered["xgboost"])["flavor"] == "fil"
    expected = mlflow.pyfunc.load_model(registered["xgboost"]).predict(IRIS)
    answer = client.predict("trees", IRIS).loc["output__0", "outputs"]
    np.testing.assert_array_equal(answer, expected)

    linear = client.create_deployment("linear", registered["sklearn"], config=HERE)
    assert linear["flavor"] == "pyfunc"
    expected = mlflow.pyfunc.load_model(registered["sklearn"]).predict(IRIS)
    (answer,) = client.predict("linear", IRIS)["outputs"]
    np.testing.assert_array_equal(answer, expected)


def test_a_model_from_code_with_dates_and_params(client, registered):
    client.create_deployment("scaled", registered["python"], config=HERE)
    frame = pd.DataFrame({"when": np.array(["2024-02-29", "2023-01-01"], "M8[ns]"), "value": 1.5})
    answer = client.predict("scaled", frame, parameters={"by": 4.0})
    np.testing.assert_array_equal(answer.loc["value", "outputs"], [6.0, 0.0])
