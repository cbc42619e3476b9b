"""Repair as users of MLflow reach it, and what get shows of what there is to repair."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

from mlflow_triton import repair

COMMAND = "mlflow-triton repair x"


def test_after_a_restart_of_the_server(own_site):
    client = get_deploy_client("triton")
    client.create_deployment("x", "models:/twice/1")
    client.create_deployment("y", "models:/twice/1")
    own_site.triton.restart()
    shown = client.get_deployment("x")
    assert shown["differences"] == "config.pbtxt picks version 1, the server serves none"
    assert shown["repair"] == COMMAND
    done = own_site.click("update", "--name", "x", "-C", "repair=true")
    assert (done.status, done.out.strip()) == (0, "Deployment x is updated (with flavor onnx)")
    assert client.get_deployment("x")["state"] == "READY"
    assert "differences" not in client.get_deployment("x")
    refused = own_site.click("update", "--name", "x", "-m", "models:/twice/1", "-C", "repair=true")
    assert "takes no model URI" in refused.complaint
    all_of_them = CliRunner().invoke(repair.main, [])
    assert (all_of_them.exit_code, all_of_them.output) == (
        0,
        "x: fine\ny: repaired: loaded version 1\n",
    )
    (own_site.repository / "y" / "mlflow-meta.json").write_text("{")
    given = ["--url", own_site.triton.http_url, "--repo", str(own_site.repository)]
    some = CliRunner().invoke(repair.main, given)
    assert some.exit_code == 1
    assert some.output.startswith("x: fine\ny: failed: y/mlflow-meta.json can't be read as a")
    listed = {row["name"]: row for row in client.list_deployments()}
    assert "can't be read" in listed["y"]["differences"]
    assert listed["y"]["state"] == "READY"
    nobody = CliRunner().invoke(repair.main, ["--name", "nobody"])
    assert nobody.exit_code == 1
    assert nobody.output.startswith("Error: There is no deployment 'nobody'")
    with pytest.raises(MlflowException, match="a setting of update"):
        client.create_deployment("z", "models:/twice/1", config={"repair": True})


def test_a_check_that_is_off(site, client, model_copy):
    """Triton alone decides then, and what it refuses is taken back as ever."""
    (model_copy / "config.pbtxt").write_text('name: "another"\nbackend: "onnxruntime"\n')
    refused = site.click("create", "--name", "x", "-m", str(model_copy)).complaint
    assert refused.startswith("Triton would refuse the config.pbtxt logged with the model")
    tried = site.click("create", "--name", "x", "-m", str(model_copy), "-C", "check=off").complaint
    assert "could not load model 'x'" in tried
    assert "Nothing was left in the repository." in tried
