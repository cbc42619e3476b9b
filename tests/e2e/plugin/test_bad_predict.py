"""Predictions that can't be made: one clear line each."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

NAME = "onnx_float32_int32_int32"
ROW = list(range(16))


@pytest.fixture(scope="module")
def served(shared_site):
    """The example, deployed once for the whole file."""
    with pytest.MonkeyPatch.context() as patch:
        shared_site.point(patch)
        client = get_deploy_client("triton")
        client.create_deployment(NAME, f"models:/{NAME}/1")
        yield shared_site
        client.delete_deployment(NAME)


@pytest.mark.parametrize(
    ("inputs", "parts"),
    [
        ({"INPUT0": [ROW]}, ["input 'INPUT1' is missing", "FP32 [-1, 16]"]),
        ({}, ["input 'INPUT0' is missing", "input 'INPUT1' is missing"]),
        (
            {"INPUT0": [ROW], "INPUT1": [ROW], "INPUT2": [ROW]},
            ["input 'INPUT2' is unknown", "It takes: 'INPUT0' FP32 [-1, 16], 'INPUT1'"],
        ),
        ({"INPUT0": [ROW[:15]], "INPUT1": [ROW]}, ["input 'INPUT0'", "[1, 15]", "shape"]),
        ({"INPUT0": [[ROW]], "INPUT1": [ROW]}, ["input 'INPUT0'", "[1, 1, 16]", "shape"]),
        ({"INPUT0": [ROW, ROW[:3]], "INPUT1": [ROW]}, ["'INPUT0'", "rows differ in length"]),
        ({"INPUT0": [["a"] * 16], "INPUT1": [ROW]}, ["'INPUT0'", "not a number"]),
        ({"INPUT0": [[1e300] * 16], "INPUT1": [ROW]}, ["'INPUT0'", "1e+300 is too large"]),
    ],
)
def test_inputs_that_do_not_fit(served, tmp_path, inputs, parts):
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"inputs": inputs}))
    output = tmp_path / "output.json"
    done = served.click("predict", "--name", NAME, "-I", str(path), "-O", str(output))
    assert all(part in done.complaint for part in parts), done.complaint
    assert not output.exists()


def test_inputs_that_differ_in_batch_size(served):
    inputs = {"INPUT0": np.zeros((2, 16)), "INPUT1": np.zeros((3, 16))}
    with pytest.raises(MlflowException) as caught:
        get_deploy_client("triton").predict(NAME, inputs)
    assert "INPUT" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def good_input(tmp_path):
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"inputs": {"INPUT0": [ROW], "INPUT1": [ROW]}}))
    return str(path)


def test_a_model_that_is_not_served(served, good_input):
    complaint = served.click("predict", "--name", "nobody", "-I", good_input).complaint
    assert f"Triton at {served.triton.http_url} does not serve model 'nobody' now" in complaint
    assert "deploy it" in complaint


@pytest.mark.parametrize("name", ["", "a/b", "a b"])
def test_a_name_that_is_none(served, good_input, name):
    assert "ame" in served.click("predict", "--name", name, "-I", good_input).complaint


def test_an_endpoint(served, good_input):
    complaint = served.click("predict", "--endpoint", "e", "-I", good_input).complaint
    assert "Triton has no endpoints" in complaint


def test_the_good_input_is_good(served, good_input):
    done = served.click("predict", "--name", NAME, "-I", good_input)
    assert done.status == 0, done.err
    assert json.loads(done.out)["outputs"]["OUTPUT1"] == [[0] * 16]
