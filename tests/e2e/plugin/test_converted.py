"""Models of scikit-learn, converted to ONNX: on a real Triton they return what they do here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from tests.e2e.plugin.conftest import saved_models
from tests.e2e.plugin.sklearn_models import IRIS, PEOPLE

from mlflow_triton.flavors.onnx import FLAVOR
from mlflow_triton.flavors.packaging import PackageOptions
from mlflow_triton.model_files import DirectoryFiles
from mlflow_triton.packing import make_package
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.source import LocatedModel
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

CONVERT = {"convert": "onnx"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of models, saved by a process of its own."""
    return saved_models("sklearn_models.py", tmp_path_factory.mktemp("sklearn"))


def converted(model: str, flavor: str | None = None, **own: Any) -> ModelConfig:
    located = LocatedModel(model, DirectoryFiles(Path(model)))
    package = make_package(DeploymentName("x"), located, flavor, PackageOptions(own=own or CONVERT))
    assert isinstance(package, VersionPackage)
    assert isinstance(package.files["model.onnx"], Content)
    config = parse(package.config)
    assert check_config(config, name="x", auto_complete=False) == []
    return config


def described(tensors: Any) -> list[tuple[str, str, list[int]]]:
    return [(tensor.name, _type(tensor), [*tensor.dims]) for tensor in tensors]


def _type(tensor: Any) -> str:
    kind = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type
    return kind.values_by_number[tensor.data_type].name.removeprefix("TYPE_")


def test_labels_and_probabilities_of_a_table_in_any_order(client, models):
    uri = models["labels"]
    assert client.create_deployment("iris", uri, config=CONVERT)["flavor"] == "onnx"
    model = mlflow.sklearn.load_model(uri)
    features = IRIS[0]
    answer = client.predict("iris", features[features.columns[::-1]])["outputs"]
    labels = [label.decode() for label in answer["label"].ravel()]
    assert labels == list(model.predict(features))
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(features), atol=1e-6)


def test_each_column_of_a_pipeline_that_picks_columns_is_an_input(site, client, models):
    uri = models["people"]
    done = site.click("create", "--name", "people", "-m", uri, "-C", "convert=onnx")
    assert done.status == 0, done.err
    model = mlflow.sklearn.load_model(uri)
    answer = client.predict("people", PEOPLE)["outputs"]
    np.testing.assert_array_equal(answer["label"].ravel().astype(bool), model.predict(PEOPLE))
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(PEOPLE), atol=1e-6)
    refused = site.click("update", "--name", "people", "-C", "instance_count=2")
    assert refused.complaint == (
        "The model is of scikit-learn and has to be converted for the flavor onnx. Set "
        "convert=onnx, which loads it on this machine, or deploy it with --flavor pyfunc."
    )


@pytest.mark.parametrize(
    ("name", "takes", "gives"),
    [
        ("regression", [("input", "FP32", [10])], [("variable", "FP32", [1])]),
        ("margins", [("input", "FP32", [4])], [("label", "INT64", [1])]),
        ("double", [("input", "FP64", [1])], [("variable", "FP64", [1])]),
        (
            "sparse",
            [("input", "FP32", [4])],
            [("label", "INT64", [1]), ("probabilities", "FP32", [3])],
        ),
        (
            "texts",
            [("input", "STRING", [1])],
            [("label", "STRING", [1]), ("probabilities", "FP32", [3])],
        ),
    ],
)
def test_inputs_and_outputs(models, name, takes, gives):
    config = converted(models[name], flavor="onnx")
    assert described(config.input) == takes
    assert described(config.output) == gives
    assert config.max_batch_size == 1024


def test_the_same_model_is_converted_to_the_same_bytes(models):
    files = DirectoryFiles(Path(models["labels"]))
    located = LocatedModel(models["labels"], files)
    first, second = (
        make_package(DeploymentName("x"), located, None, PackageOptions(own=CONVERT)).files
        for _ in range(2)
    )
    assert first == second


def test_a_model_without_an_example_is_refused(models):
    with pytest.raises(InvalidSettingError, match=r"no input example to check .* input_example="):
        converted(models["no_example"])


def test_a_model_that_would_return_something_else_is_refused(models):
    with pytest.raises(InvalidRequestError) as refused:
        converted(models["differs"])
    assert str(refused.value) == (
        "The converted model's label differs from predict in 20 of 40 rows of the input example: "
        "in row 20 it is 0, and predict returns 1. Leave convert=onnx out to deploy it as pyfunc."
    )


def test_a_model_that_cannot_be_converted_is_refused(models):
    with pytest.raises(
        InvalidRequestError, match=r"^skl2onnx can't convert the model: .*pyfunc\.$"
    ):
        converted(models["own_code"])


def test_what_is_missing_is_named(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(InvalidSettingError, match=r"skl2onnx is missing here.*triton\[convert\]"):
        converted(models["labels"])


def test_a_model_of_onnx_has_nothing_to_convert(site, model_copy):
    done = site.click("create", "--name", "x", "-m", str(model_copy), "-C", "convert=onnx")
    assert done.complaint.startswith(
        "convert=onnx can't be had: the model is an ONNX model already"
    )


def test_the_setting_has_one_value():
    (setting,) = FLAVOR.settings
    assert setting.parse(" ONNX ") == "onnx"
    with pytest.raises(ValueError, match="it has to be onnx"):
        setting.parse("tensorrt")
