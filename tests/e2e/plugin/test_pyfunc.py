"""MLflow models of any kind on a real Triton: what they return there is what they return here."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException
from tests.e2e.plugin.conftest import saved_models

from triton_local_server import LocalTriton

HERE = {"env": f"python:{sys.executable}"}
"""Under the tests' own Python: the server's has neither MLflow nor numpy 2."""


def make_wheel(directory: Path) -> Path:
    """Write the wheel of a package `tiny`."""
    path = directory / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\n")
        wheel.writestr(
            "tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        )
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(
            "tiny-1.0.dist-info/RECORD",
            "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\n",
        )
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of models, saved by a process of its own."""
    directory = tmp_path_factory.mktemp("pyfunc")
    return saved_models("pyfunc_models.py", directory, str(make_wheel(directory)))


def frame(rows: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "flag": [True, False, True][:rows],
            "small": np.array([1, -2, 3][:rows], np.int32),
            "whole": np.array([2**53 + 1, 0, 5][:rows], np.int64),
            "single": np.array([0.1, np.inf, np.nan][:rows], np.float32),
            "number": [0.1, -0.0, np.nan][:rows],
            "text": ["ä", None, ""][:rows],
            "raw": [b"\x00\xff", b"", b"x"][:rows],
            "when": np.array(
                ["2024-02-29T01:02:03.123456789", "NaT", "1970-01-01"][:rows], "M8[ns]"
            ),
            "many": [[1, 2, 3], [], [4]][:rows],
            "perhaps": [1.5, np.nan, 2.5][:rows],
        }
    )


def assert_same(outputs: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Every column as it was; text and lists as objects, since Triton has no pandas types."""
    assert list(outputs.index) == list(expected.columns)
    for name in expected:
        cells, column = outputs.loc[name, "outputs"], expected[name]
        if cells.dtype == object:
            wanted = [None if cell is None or isinstance(cell, float) else cell for cell in column]
            assert cells.tolist() == wanted, name
        else:
            assert cells.dtype == column.dtype, name
            np.testing.assert_array_equal(cells, column.to_numpy())


def test_columns_of_every_type_params_and_errors(site, client, models):
    client.create_deployment("echo", models["echo"], config=HERE)
    model = mlflow.pyfunc.load_model(models["echo"])
    for inputs in (frame(), frame()[:1], frame().drop(columns=["perhaps"])):
        assert_same(client.predict("echo", inputs), model.predict(inputs))
    with pytest.raises(MlflowException, match="LookupError: there is nothing below zero"):
        client.predict("echo", frame().assign(whole=-1))
    outputs = client.predict("echo", frame(), parameters={"factor": 3.25})["outputs"]
    assert outputs["factor"].tolist() == [3.25] * 3
    assert_params(site)


def test_a_scikit_learn_model_and_an_update_to_one_of_another_kind(client, models):
    from sklearn.datasets import load_iris

    iris, _ = load_iris(return_X_y=True, as_frame=True)
    done = client.create_deployment("model", models["forest"], config=HERE)
    assert done == {"name": "model", "flavor": "pyfunc"}
    expected = mlflow.pyfunc.load_model(models["forest"]).predict(iris)
    (cells,) = client.predict("model", iris)["outputs"]
    assert cells.dtype == expected.dtype
    np.testing.assert_array_equal(cells, expected)

    client.update_deployment("model", "models:/twice/1")
    assert client.get_deployment("model")["flavor"] == "onnx"


def test_named_tensors_and_batches_that_triton_joins(site, client, models):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    batches = {"max_batch_size": 2, "dynamic_batching": True}
    client.create_deployment("twice", models["twice"], config=HERE | batches)
    assert site.config("twice")["max_batch_size"] == 2
    outputs = client.predict("twice", {"x": x})["outputs"]
    np.testing.assert_array_equal(outputs["twice"], x * 2)
    np.testing.assert_array_equal(outputs["sum"], x.sum(axis=1, keepdims=True))


def ask(site, name: str, **request: object) -> dict:
    url = f"{site.triton.url}/v2/models/{name}/infer"
    body = json.dumps(request).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
        return json.load(answer)


def assert_params(site) -> None:
    """A request of the protocol's own, with parameters, some of them Triton's or a proxy's."""
    inputs = [
        {"name": "flag", "datatype": "BOOL", "shape": [1], "data": [True]},
        {"name": "small", "datatype": "INT32", "shape": [1], "data": [1]},
        {"name": "whole", "datatype": "INT64", "shape": [1], "data": [1]},
        {"name": "single", "datatype": "FP32", "shape": [1], "data": [1]},
        {"name": "number", "datatype": "FP64", "shape": [1], "data": [1]},
        {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        {"name": "raw", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        {"name": "when", "datatype": "BYTES", "shape": [1], "data": ["2024-01-01T12:00"]},
        {"name": "many", "datatype": "BYTES", "shape": [1], "data": ["[1]"]},
    ]
    given = {"factor": 3, "binary_data_output": False, "x-trace": "x"}
    answer = ask(site, "echo", inputs=inputs, parameters=given)
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["factor"] == [3.0]
    assert outputs["when"] == ["2024-01-01T12:00:00.000000000"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(site, "echo", inputs=inputs, parameters={"factor": "three"})
    assert "parameter 'factor': 'three' is not JSON for double" in refused.value.read().decode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(site, "echo", inputs=inputs, parameters={"fcator": 3})
    assert "the model has no parameter 'fcator': " in refused.value.read().decode()


def test_a_process_that_dies_is_started_again(client, models):
    client.create_deployment("dies", models["dies"], config=HERE)
    with pytest.raises(MlflowException, match="The model's process ended with status 3"):
        client.predict("dies", {"x": [1, 2]})
    assert client.predict("dies", {"x": [1]})["outputs"]["output"].tolist() == [0.0]


def test_what_cannot_be_deployed_says_what_to_do(site, models):
    done = site.click("create", "--name", "x", "-m", models["unsigned"])
    assert "has no signature" in done.complaint
    assert "infer_signature" in done.complaint
    done = site.click("create", "--name", "x", "-m", models["forest"])
    assert "No module named 'mlflow'" in done.complaint
    assert "scikit-learn==" in done.complaint
    assert "Nothing was left in the repository" in done.complaint
    done = site.click(
        "create", "--name", "x", "-m", models["forest"], "-C", "env=python:/no/python"
    )
    assert "/no/python can't be started on the server: No such file" in done.complaint
    done = site.click("create", "--name", "x", "-m", "models:/twice/1", "-C", "env=pack")
    assert "The flavor onnx has no setting env" in done.complaint
    assert site.is_ready()
    assert site.files() == {}


@pytest.fixture
def equipped(
    site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[object]:
    """A server whose own Python has MLflow, as an image that is made for such models."""
    repository = tmp_path_factory.mktemp("equipped")
    requirements = [f"mlflow-skinny=={mlflow.__version__}", "pandas<3"]
    options = {"disable_auto_complete": True, "exit_timeout": 0}
    with LocalTriton(repository, requirements=requirements, **options) as triton:
        here = replace(site, triton=triton, repository=repository)
        here.point(monkeypatch)
        yield here


def test_in_the_servers_own_python_and_with_packages_that_are_deployed_with_the_model(
    equipped, models, tmp_path, monkeypatch
):
    client = get_deploy_client("triton")
    client.create_deployment("model", models["echo"])
    outputs = client.predict("model", frame())["outputs"]
    expected = mlflow.pyfunc.load_model(models["echo"]).predict(frame())
    np.testing.assert_array_equal(outputs["when"], expected["when"].to_numpy())
    assert outputs["text"].tolist() == ["ä", None, ""]
    assert outputs["many"].tolist() == expected["many"].tolist()

    # What the model needs beside what the server has: MLflow itself would be 300 MB.
    requirements = Path(models["tiny"], "requirements.txt")
    (line,) = [line for line in requirements.read_text().splitlines() if line.startswith("tiny")]
    requirements.write_text(f"{line}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    client.update_deployment("model", models["tiny"], config={"env": "pack"})
    assert client.predict("model", {"x": [1, 2]})["outputs"]["output"].tolist() == [42, 42]
    (archive,) = (equipped.repository / "model").glob("environment-*.tar.gz")
    (packed,) = tmp_path.rglob("*.tar.gz")
    assert archive.read_bytes() == packed.read_bytes()
