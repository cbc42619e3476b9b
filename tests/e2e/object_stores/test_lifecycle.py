"""The plugin's whole life cycle, while a real Triton serves from the same bucket."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

ROOT = Path(__file__).parents[3]
NAME = "onnx_float32_int32_int32"
X = np.array([[1, 2, 3]], dtype=np.float32)


def example():
    request = json.loads((ROOT / "examples" / "input.json").read_text())["inputs"]
    return {name: np.array(data, dtype=np.float32) for name, data in request.items()}


@pytest.mark.parametrize(
    ("flavor", "uri"), [("onnx", f"models:/{NAME}/1"), ("triton", "models:/tree/1")]
)
def test_create_update_and_delete(site, client, flavor, uri):
    assert client.create_deployment("iris", uri, flavor=flavor) == {
        "name": "iris",
        "flavor": flavor,
    }
    (listed,) = client.list_deployments()
    assert listed.items() <= client.get_deployment("iris").items()
    assert (listed["version"], listed["state"]) == ("1", "READY")
    assert listed["triton_model_path"] == f"{site.repository}/iris"
    inputs = example()
    outputs = client.predict("iris", inputs)
    np.testing.assert_array_equal(
        outputs.loc["OUTPUT0"]["outputs"], inputs["INPUT0"] + inputs["INPUT1"]
    )

    client.update_deployment("iris", f"models:/{NAME}/2", flavor="onnx")
    outputs = client.predict("iris", inputs)
    assert outputs.loc["OUTPUT1"]["outputs"][0][:3].tolist() == [0, -1, -2]

    client.delete_deployment("iris")
    client.delete_deployment("iris")
    assert client.list_deployments() == []
    assert site.objects() == {}


def test_updates_that_follow_at_once_are_all_served(site, client):
    """Triton reads S3's times in seconds: none of these may be lost to it."""
    client.create_deployment("iris", f"models:/{NAME}/1")
    for number in (2, 1, 2, 1, 2) if site.scheme == "s3" else (2, 1):
        client.update_deployment("iris", f"models:/{NAME}/{number}")
        first = client.predict("iris", example()).loc["OUTPUT1"]["outputs"][0][:2].tolist()
        assert first == ([0, 1] if number == 1 else [0, -1])


def test_a_failed_update_leaves_the_old_version_serving(site, client):
    client.create_deployment("iris", "models:/twice/1")
    before = site.objects()
    with pytest.raises(MlflowException, match="NoSuchOperator"):
        client.update_deployment("iris", "models:/unloadable/1", flavor="onnx")
    assert site.objects() == before
    answer = client.predict("iris", {"x": X}).loc["y"]["outputs"]
    np.testing.assert_array_equal(answer, X + X)
    client.update_deployment("iris", "models:/configured/1")
    assert client.get_deployment("iris")["state"] == "READY"


def test_neighbours_are_left_alone(site, client):
    site.put("iris2/1/model.onnx", b"somebody else's")
    site.put("iris2x", b"a file")
    client.create_deployment("iris", "models:/twice/1")
    with pytest.raises(MlflowException, match="iris2"):
        client.create_deployment("iris2", "models:/twice/1")
    client.delete_deployment("iris")
    assert site.objects() == {
        "iris2/1/model.onnx": b"somebody else's",
        "iris2x": b"a file",
    }
    site.remove("iris2/1/model.onnx")
    site.remove("iris2x")


def test_an_ensemble_has_its_empty_version_directory(site, client):
    client.create_deployment("twice", "models:/twice/1")
    client.create_deployment("chain", "models:/chain/1", flavor="triton")
    assert site.objects()["chain/1/"] == b""
    answer = client.predict("chain", {"IN": X}).loc["OUT"]["outputs"]
    np.testing.assert_array_equal(answer, X + X)


def test_external_weights_arrive(site, client):
    client.create_deployment("weights", "models:/weights/1")
    answer = client.predict("weights", {"x": X}).loc["y"]["outputs"]
    np.testing.assert_allclose(answer, np.full((1, 4096), 6.0), rtol=1e-6)


def test_a_name_that_triton_would_misread_behind_an_endpoint_is_refused(site, client):
    if site.scheme == "gs":
        client.create_deployment("iris~2", "models:/twice/1")
        answer = client.predict("iris~2", {"x": X}).loc["y"]["outputs"]
        np.testing.assert_array_equal(answer, X + X)
        return
    with pytest.raises(MlflowException, match="letters, digits") as raised:
        client.create_deployment("iris~2", "models:/twice/1")
    assert "\n" not in raised.value.message
    assert site.objects() == {}
