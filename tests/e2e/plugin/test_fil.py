"""Trees of XGBoost and LightGBM on a real Triton: they return there what they return here."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from tests.e2e.plugin.conftest import saved_models

DATA = {
    "regression": load_diabetes(return_X_y=True, as_frame=True)[0],
    "binary": load_breast_cancer(return_X_y=True, as_frame=True)[0],
    "multiclass": load_iris(return_X_y=True, as_frame=True)[0],
}
IRIS = DATA["multiclass"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of models, saved by a process of its own."""
    return saved_models("fil_models.py", tmp_path_factory.mktemp("fil"))


def served(client, name: str, inputs: pd.DataFrame) -> np.ndarray:
    outputs = client.predict(name, inputs)["outputs"]
    assert list(outputs.index) == ["output__0"]
    assert outputs["output__0"].dtype == np.float32
    return outputs["output__0"]


def assert_near(answer: np.ndarray, expected: np.ndarray) -> None:
    """The backend counts in FP32; XGBoost does too, in another order, and LightGBM in FP64."""
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_regression_classes_and_probabilities_under_one_name(client, models, library):
    for kind, inputs in DATA.items():
        model = models[f"{library}_{kind}"]
        deploy = client.create_deployment if kind == "regression" else client.update_deployment
        assert deploy("trees", model_uri=model)["flavor"] == "fil"
        expected = np.asarray(mlflow.pyfunc.load_model(model).predict(inputs))
        assert_near(served(client, "trees", inputs), expected)
        shuffled = inputs[inputs.columns[::-1]].assign(more=1.0)
        assert_near(served(client, "trees", shuffled[:7]), expected[:7])


def test_probabilities_missing_values_and_a_threshold(client, models):
    inputs = DATA["binary"].mask(np.random.default_rng(0).random(DATA["binary"].shape) < 0.2)
    model = mlflow.xgboost.load_model(models["xgboost_binary"])
    probabilities = model.predict_proba(inputs)
    client.create_deployment("trees", models["xgboost_binary"], config={"predict_proba": True})
    assert_near(served(client, "trees", inputs), probabilities)
    client.update_deployment("trees", models["xgboost_binary"], config={"threshold": 0.9})
    assert_near(served(client, "trees", inputs), (probabilities[:, 1] > 0.9).astype(np.float32))
    client.update_deployment("trees", models["xgboost_booster"])
    booster = mlflow.pyfunc.load_model(models["xgboost_booster"])
    assert_near(served(client, "trees", IRIS), booster.predict(IRIS))
    with pytest.raises(MlflowException, match=r"no column 'sepal width \(cm\)'"):
        client.predict("trees", IRIS.drop(columns=["sepal width (cm)"]))


def test_from_onnx_to_fil_to_pyfunc(site, client, models, caplog):
    client.create_deployment("model", "models:/twice/1")
    client.update_deployment("model", models["xgboost_multiclass"])
    assert served(client, "model", IRIS).shape == (150,)
    here = {"env": f"python:{sys.executable}"}
    client.update_deployment("model", models["xgboost_linear"], flavor="pyfunc", config=here)
    assert client.get_deployment("model")["flavor"] == "pyfunc"
    with pytest.raises(MlflowException, match="booster is gblinear"):
        client.update_deployment("model", models["xgboost_linear"], flavor="fil")
    assert client.get_deployment("model")["flavor"] == "pyfunc"


def test_the_backend_refuses_what_is_not_the_models(own_site, models):
    """What the C++ backend would find out by reading past its memory, and what it says itself."""
    site, client = own_site, get_deploy_client("triton")
    client.create_deployment("trees", models["lightgbm_multiclass"])
    (config,) = site.repository.glob("trees/config.pbtxt")
    text = config.read_text()
    for old, new, complaint in [
        ("dims: 4", "dims: 5", "input__0 has dims [5], and the model has [ 4 ]"),
        ('"lightgbm"', '"catboost"', "catboost not recognized as a valid serialization format"),
        ('"threshold"', '"x"', "Required parameter threshold not found"),
    ]:
        assert old in text, text
        other = site.repository / "other"
        (other / "1").mkdir(parents=True, exist_ok=True)
        (model,) = site.repository.glob("trees/*/model.txt")
        (other / "1/model.txt").write_bytes(model.read_bytes())
        (version,) = (line for line in text.splitlines() if "versions" in line)
        changed = text.replace(version, "    versions: 1").replace(old, new)
        (other / "config.pbtxt").write_text(changed)
        assert complaint in _load(site, "other")


def _load(site, name: str) -> str:
    url = f"{site.triton.url}/v2/repository/models/{name}/load"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=60)
    with refused.value as answer:
        return str(json.load(answer)["error"])
