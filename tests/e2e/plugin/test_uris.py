"""Every form of model URI, and what becomes of the registry's version number."""

from __future__ import annotations

import mlflow
import pytest

NAME = "onnx_float32_int32_int32"
MLFLOW_3 = int(mlflow.__version__.partition(".")[0]) >= 3


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        (f"models:/{NAME}/1", "1"),
        (f"models:/{NAME}/2", "2"),
        (f"models:/{NAME}@champion", "1"),
    ],
)
def test_a_registry_version_keeps_its_number(client, uri, version):
    client.create_deployment("x", uri)
    deployment = client.get_deployment("x")
    assert (deployment["version"], deployment["mlflow_model_uri"]) == (version, uri)


def test_the_latest_version(site, client):
    client.create_deployment("x", "models:/twice/latest")
    assert client.get_deployment("x")["version"] == "1"
    assert "x/1/model.onnx" in site.files()


def test_a_number_that_is_taken_becomes_the_next_higher_one(client):
    client.create_deployment("x", f"models:/{NAME}/1")
    client.update_deployment("x", "models:/twice/1")
    assert client.get_deployment("x")["version"] == "2"
    client.update_deployment("x", f"models:/{NAME}/1")
    assert client.get_deployment("x")["version"] == "1"


@pytest.mark.skipif(not MLFLOW_3, reason="MLflow 2 has no logged models")
def test_a_logged_model(store, client):
    uri = store.logged["first"]["model"]
    assert uri.startswith("models:/m-")
    client.create_deployment("x", uri)
    assert client.get_deployment("x")["mlflow_model_uri"] == uri


@pytest.mark.skipif(MLFLOW_3, reason="MLflow 3 has logged models")
def test_a_logged_model_under_mlflow_2(site):
    complaint = site.click("create", "--name", "x", "-m", "models:/m-1234").complaint
    assert "MLflow 2 does not have" in complaint


def test_a_model_of_a_run(store, client):
    client.create_deployment("x", store.logged["first"]["runs"])
    assert client.get_deployment("x")["version"] == "1"


def test_a_directory(model_copy, client):
    client.create_deployment("x", str(model_copy))
    client.update_deployment("x", model_copy.as_uri())
    assert client.get_deployment("x")["mlflow_model_uri"] == model_copy.as_uri()
