"""Deploying where the server does not look: the error says what to compare."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException


@pytest.mark.parametrize("where", ["prefix", "bucket", "directory"])
def test_a_server_that_reads_elsewhere(site, client, where, tmp_path, monkeypatch):
    start = site.repository.rpartition("/models/")[0]
    if where == "bucket":
        site.make_bucket("others")
    repository = {
        "prefix": f"{start}/models/other",
        "bucket": f"{start}/others/some/triton",
        "directory": str(tmp_path),
    }[where]
    monkeypatch.setenv("TRITON_MODEL_REPO", repository)
    with pytest.raises(MlflowException, match="does not see 'iris' at all") as raised:
        client.create_deployment("iris", "models:/twice/1")
    message = raised.value.message
    assert "Compare TRITON_MODEL_REPO with the --model-repository" in message
    assert "Nothing was left in the repository" in message
    assert "\n" not in message
    assert client.list_deployments() == []
    monkeypatch.setenv("TRITON_MODEL_REPO", site.repository)
