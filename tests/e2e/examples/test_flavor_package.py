"""The example of a flavor in a package of its own: built, found by its entry point, served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from triton_local_server import LocalTriton

EXAMPLE = Path(__file__).parents[3] / "examples" / "flavor-scorecard"
DEPLOY = """\
import json, sys
import mlflow, triton_scorecard
from mlflow.deployments import get_deploy_client

features = {"age": [[None, 25, -20], [25, None, 30]], "income": [[20000, None, 50]]}
card = {"base": 500, "features": features}
with mlflow.start_run():
    model = triton_scorecard.log_model(card, "applicants")
client = get_deploy_client("triton")
made = client.create_deployment("applicants", model.model_uri, config={"cutoff": 540})
frame = client.predict("applicants", {"age": [[31], [19]], "income": [[25000], [9000]]})
client.update_deployment("applicants", model.model_uri, config={"max_batch_size": 0})
alone = client.predict("applicants", {"age": [[31]], "income": [[25000]]})
print(json.dumps([made, json.loads(frame.to_json()), json.loads(alone.to_json())]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages with the example in it."""
    directory = tmp_path_factory.mktemp("flavor")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=EXAMPLE,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (wheel,) = directory.glob("*.whl")
    packages = directory / "packages"
    zipfile.ZipFile(wheel).extractall(packages)
    return packages


def test_it_serves_its_models(installed, tmp_path):
    (tmp_path / "models").mkdir()
    with LocalTriton(tmp_path / "models", exit_timeout=0) as triton:
        environment = os.environ | {
            "PYTHONPATH": str(installed),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
            "TRITON_URL": triton.http_url,
            "TRITON_MODEL_REPO": str(tmp_path / "models"),
        }
        done = subprocess.run(
            [sys.executable, "-c", DEPLOY],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    made, rated, alone = json.loads(done.stdout.splitlines()[-1])
    assert made["flavor"] == "scorecard"
    assert rated == {
        "outputs": {"SCORE": [[580.0], [480.0]], "APPROVED": [[True], [False]]},
    }
    assert alone == {"outputs": {"SCORE": [[580.0]]}}


def test_what_is_no_scorecard_is_refused_before_it_is_saved(installed, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    from triton_scorecard import save_model

    for wrong, problem in [
        ({"base": 1}, "no features"),
        ({"base": None, "features": {"a": []}}, "base"),
        ({"base": 1, "features": {"a": [[1, 2]]}}, "feature 'a' needs bins"),
    ]:
        with pytest.raises(ValueError, match=problem):
            save_model(wrong, tmp_path / "model")
    assert not (tmp_path / "model").exists()
