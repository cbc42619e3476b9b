"""TorchScript on a real Triton: it returns there what the module returns here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from tests.e2e.plugin.conftest import COMMAND_SECONDS, clean_environment
from tests.e2e.server_pytorch import require_pytorch

IRIS = load_iris(return_X_y=True, as_frame=True)[0]
ROWS = IRIS.to_numpy(dtype=np.float32)


@pytest.fixture(scope="module")
def torch_packages() -> Path:
    """The folder of the local server's own PyTorch, which makes the models too."""
    environment, packages = require_pytorch()
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if environment.interpreter.version != here:
        pytest.skip(f"the server has PyTorch for Python {environment.interpreter.version}")
    return packages


@pytest.fixture(scope="module")
def models(torch_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with models, saved by a process of its own."""
    directory = tmp_path_factory.mktemp("pytorch")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("pytorch_models.py")), str(directory)],
        cwd=directory,
        env=clean_environment() | {"PYTHONPATH": str(torch_packages)},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def python_with_torch(torch_packages: Path, tmp_path: Path) -> str:
    """This Python, with PyTorch beside its packages."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{torch_packages}" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return str(program)


def served(client, name: str, inputs) -> np.ndarray:
    (cells,) = client.predict(name, inputs)["outputs"]
    assert cells.dtype == np.float32
    return cells


def test_from_a_pickled_module_to_torchscript_to_columns_under_one_name(
    site, client, models, python_with_torch, warnings_told
):
    expected = np.load(models / "expected.npy")
    here = {"env": f"python:{python_with_torch}"}
    done = client.create_deployment("net", str(models / "pickled"), config=here)
    assert done["flavor"] == "pyfunc"
    (told,) = warnings_told()
    assert "a pickled module, not TorchScript. Log torch.jit.script(model)" in told
    np.testing.assert_allclose(served(client, "net", ROWS), expected, rtol=1e-5)

    for model, inputs in [("script", ROWS), ("columns", IRIS[IRIS.columns[::-1]])]:
        done = client.update_deployment("net", model_uri=str(models / model))
        assert done["flavor"] == "pytorch"
        np.testing.assert_allclose(served(client, "net", inputs), expected, rtol=1e-5)
    config = site.config("net")
    assert (config["backend"], config["max_batch_size"]) == ("pytorch", 4)
    assert [entry["name"] for entry in config["input"]] == ["INPUT__0"]

    more = {"input": '[{name: "other" data_type: TYPE_FP32 dims: 4}]'}
    with pytest.raises(MlflowException, match="expects 2 inputs, model provides 1"):
        client.update_deployment("net", config=more)
    np.testing.assert_allclose(served(client, "net", IRIS[:3]), expected[:3], rtol=1e-5)
    assert site.is_ready()


def test_text_and_several_outputs_on_the_command_line(site, client, models):
    done = site.click("create", "--name", "texts", "-m", str(models / "texts"), "-f", "pytorch")
    assert "pytorch deployment texts is created" in done.out
    numbers = np.arange(12, dtype=np.float32).reshape(6, 2)
    words = ["a", "ä", "", "b", "c", "d"]
    inputs = {"words": [[word] for word in words], "numbers": numbers}
    outputs = client.predict("texts", inputs)["outputs"]
    assert outputs["louder"].ravel().tolist() == [f"{word}!" for word in words]
    np.testing.assert_array_equal(outputs["sum"].ravel(), numbers.sum(1))
    assert outputs["largest"].dtype == np.int64
    assert outputs["largest"].tolist() == [[1]] * 6
    done = site.click("create", "--name", "x", "-m", str(models / "pickled"), "-f", "pytorch")
    assert "Triton's PyTorch backend can't serve this model: it is a pickled" in done.complaint
