"""Every command and Python call of the manual of NVIDIA's plugin, as it is written there."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
from mlflow.deployments import get_deploy_client

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
NAME = "onnx_float32_int32_int32"


def test_publish_with_the_script_and_deploy_as_flavor_triton(site, tmp_path):
    done = site.run(
        sys.executable,
        *shlex.split(
            f"publish_model_to_mlflow.py --model_name manual_{NAME} "
            f"--model_directory {EXAMPLES}/{NAME} --flavor triton"
        ),
        cwd=ROOT / "scripts",
    )
    assert done.status == 0, done.err
    _life(site, tmp_path, "triton", f"models:/manual_{NAME}/1")


def test_log_with_mlflow_and_deploy_as_flavor_onnx(site, tmp_path):
    log = f"""\
import mlflow.onnx
import onnx
model = onnx.load("examples/onnx_float32_int32_int32/1/model.onnx")
mlflow.onnx.log_model(model, "triton", registered_model_name="logged_{NAME}")
"""
    program = tmp_path / "log.py"
    program.write_text(log)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    done = site.run(sys.executable, "log.py", cwd=tmp_path)
    assert done.status == 0, done.err
    _life(site, tmp_path, "onnx", f"models:/logged_{NAME}/1")


def _life(site, tmp_path, flavor, uri):
    def shell(command: str) -> str:
        """Run it in this process; tests of the quick start run the same as commands."""
        mlflow, deployments, verb, t, target, *more = shlex.split(command)
        assert (mlflow, deployments, t) == ("mlflow", "deployments", "-t")
        done = site.click(verb, *more, target=target)
        assert done.status == 0, done.err
        return done.out

    created = shell(f"mlflow deployments create -t triton --flavor {flavor} --name {NAME} -m {uri}")
    assert f"{flavor} deployment {NAME} is created" in created

    output = tmp_path / "output.json"
    shell(
        f"mlflow deployments predict -t triton --name {NAME} "
        f"--input-path {EXAMPLES}/input.json --output-path {output}"
    )
    assert json.loads(output.read_text()) == json.loads(
        (EXAMPLES / "expected_output.json").read_text()
    )

    listed = shell("mlflow deployments list -t triton")
    assert f"'name': '{NAME}', 'version': '1', 'state': 'READY'" in listed
    got = dict(
        line.split(": ", 1)
        for line in shell(f"mlflow deployments get -t triton --name {NAME}").splitlines()
        if line
    )
    assert got == got | {
        "name": NAME,
        "version": "1",
        "state": "READY",
        "triton_model_path": f"{site.repository}/{NAME}",
        "mlflow_model_uri": uri,
        "flavor": flavor,
    }

    updated = shell(
        f"mlflow deployments update -t triton --flavor onnx --name {NAME} -m models:/{NAME}/2"
    )
    assert f"Deployment {NAME} is updated (with flavor onnx)" in updated
    printed = shell(
        f"mlflow deployments predict -t triton --name {NAME} --input-path {EXAMPLES}/input.json"
    )
    assert json.loads(printed)["outputs"]["OUTPUT1"][0][:3] == [0, -1, -2]

    deleted = shell(f"mlflow deployments delete -t triton --name {NAME}")
    assert f"Deployment {NAME} is deleted" in deleted
    assert "[]" in shell("mlflow deployments list -t triton")
    assert site.files() == {}


def test_the_python_calls(site):
    client = get_deploy_client("triton")
    assert client.create_deployment("model_name", "models:/tree/1", flavor="triton") == {
        "name": "model_name",
        "flavor": "triton",
    }
    (listed,) = client.list_deployments()
    assert listed.items() <= client.get_deployment("model_name").items()
    assert (listed["name"], listed["version"], listed["state"]) == ("model_name", "1", "READY")

    request = json.loads((EXAMPLES / "input.json").read_text())["inputs"]
    inputs = {name: np.array(data, dtype=np.float32) for name, data in request.items()}
    outputs = client.predict("model_name", inputs)
    assert list(outputs.columns) == ["outputs"]
    total = outputs.loc["OUTPUT0"]["outputs"]
    assert total.dtype == np.int32
    np.testing.assert_array_equal(total, inputs["INPUT0"] + inputs["INPUT1"])
    assert client.predict(deployment_name="model_name", inputs=inputs).equals(outputs)

    assert client.update_deployment("model_name", f"models:/{NAME}/2", flavor="onnx") == {
        "flavor": "onnx"
    }
    assert client.delete_deployment("model_name") is None
    assert client.list_deployments() == []
