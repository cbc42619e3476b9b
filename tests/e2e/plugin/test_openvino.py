"""Models in OpenVINO's IR on a real Triton: they return there what OpenVINO returns here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import numpy as np
import openvino
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException
from tests.e2e.plugin.conftest import saved_models

X = np.arange(15, dtype=np.float32).reshape(5, 3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of MLflow models, saved by a process of its own."""
    return saved_models("openvino_models.py", tmp_path_factory.mktemp("openvino"))


def expected(model: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    compiled = openvino.Core().compile_model(f"{model}/model.xml", "CPU")
    found = compiled(inputs)
    return {output.any_name: found[output] for output in compiled.outputs}


def test_any_number_of_rows_then_a_limit_to_which_they_are_padded(site, client, models):
    assert client.create_deployment("m", models["rows"])["flavor"] == "openvino"
    assert set(site.files()) == {
        *("m/1/model.bin", "m/1/model.xml"),
        *("m/config.pbtxt", "m/mlflow-meta.json"),
    }
    for rows in (1, 5):
        answer = client.predict("m", {"x": X[:rows]})["outputs"]
        for name, value in expected(models["rows"], x=X[:rows]).items():
            np.testing.assert_allclose(answer[name], value, rtol=1e-6)
    client.update_deployment("m", models["rows"], config={"max_batch_size": 4})
    config = site.config("m")
    assert config["parameters"]["ENABLE_BATCH_PADDING"] == {"string_value": "YES"}
    answer = client.predict("m", {"x": X})["outputs"]  # four rows, and one that is padded
    np.testing.assert_allclose(answer["y"], expected(models["rows"], x=X)["y"], rtol=1e-6)


def test_types_and_names_with_commas(client, models):
    client.create_deployment("m", models["types"])
    inputs = {"a,b": np.array([[1, -2]], np.int64), "h": np.array([0.5, 2], np.float16)}
    answer = client.predict("m", inputs)["outputs"]
    assert answer["sum"].tolist() == [[-1]]
    assert answer["sum"].dtype == np.int64
    assert answer["above"].tolist() == [False, True]
    np.testing.assert_array_equal(answer["double"], np.array([1, 4], np.float32))


def test_a_warm_up_with_the_example_that_was_logged(site, client, models):
    client.create_deployment("m", models["rows"], config={"warmup": True})
    (sample,) = site.config("m")["model_warmup"]
    assert set(sample["inputs"]) == {"x"}


def test_what_the_backend_refuses_and_completes(own_site, models):
    site, client = own_site, get_deploy_client("triton")
    client.create_deployment("m", models["rows"])
    config = (site.repository / "m/config.pbtxt").read_text()
    (version,) = (line for line in config.splitlines() if "versions" in line)
    config = config.replace(version, "    versions: 1")
    for old, new, complaint in [
        (
            "dims: 3",
            "dims: 4",
            "the model expects 2 dimensions (shape [-1,3]) but the model configuration specifies 2",
        ),
        (
            "instance_group",
            'parameters { key: "NUM_STREAMS" value { string_value: "many" } }\ninstance_group',
            "expected the parameter 'NUM_STREAMS' to be either AUTO/NUMA/<int_value>, got many",
        ),
    ]:
        assert old in config, config
        other = _lay_out(site, config.replace(old, new, 1))
        assert complaint in _load(site, other)
    left_out = _lay_out(site, 'backend: "openvino"\n')
    # As the C++ backend's own completion, which forgets sizes beside free ones.
    assert "specifies 2 dimensions (shape [-1,-1])" in _load(site, left_out)
    batched = config.replace("input {", "max_batch_size: 2\ninput {", 1)
    batched = batched.replace("  dims: -1\n  dims: 3", "  dims: 3").replace(
        "  dims: -1\n  dims: 2", "  dims: 2"
    )
    assert _load(site, _lay_out(site, batched)) == ""
    with pytest.raises(MlflowException, match="expected requests with batch size '2', got '1'"):
        client.predict("other", {"x": X[:1]})


def _lay_out(site, config: str) -> str:
    directory = site.repository / "other/1"
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes((site.repository / "m/1" / name).read_bytes())
    (directory.parent / "config.pbtxt").write_text(config)
    return "other"


def _load(site, name: str) -> str:
    """Load a model and return what Triton says is wrong, "" if nothing is."""
    url = f"{site.triton.url}/v2/repository/models/{name}/load"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=60):
            return ""
    except urllib.error.HTTPError as error:
        with error as answer:
            return str(json.load(answer)["error"])
