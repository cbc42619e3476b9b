"""The life cycle over gRPC: everything works, and fails, as it does over HTTP."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

NAME = "onnx_float32_int32_int32"
ONES = np.ones((1, 16), dtype=np.float32)


def test_the_life_cycle(own_site, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_URL", f"grpc://{own_site.triton.grpc_url}")
    done = own_site.click("create", "--name", "x", "-m", f"models:/{NAME}/1")
    assert (done.status, done.err) == (0, "")
    before = own_site.click("get", "--name", "x")
    assert "state: READY" in before.out
    failed = own_site.click("update", "--name", "x", "-m", "models:/unloadable/1")
    assert "NoSuchOperator" in failed.complaint
    assert own_site.click("get", "--name", "x").out == before.out
    assert own_site.is_ready()
    assert own_site.click("update", "--name", "x", "-m", f"models:/{NAME}/2").status == 0

    given = tmp_path / "input.json"
    given.write_text(json.dumps({"inputs": {"INPUT0": ONES.tolist(), "INPUT1": ONES.tolist()}}))
    answers = []
    for target in ("triton", f"triton:{own_site.triton.url}"):
        printed = own_site.click("predict", "--name", "x", "-I", str(given), target=target)
        assert printed.status == 0
        answers.append(printed.out)
    assert answers[0] == answers[1]
    assert '"OUTPUT0"' in answers[0]

    assert own_site.click("delete", "--name", "x").status == 0
    assert own_site.click("list").status == 0
    assert own_site.files() == {}


def test_addresses_that_are_wrong(site, tmp_path):
    client = get_deploy_client(f"triton:grpc://{site.triton.http_url}")
    with pytest.raises(MlflowException, match="write http:// for its HTTP port"):
        client.predict("x", {"INPUT0": ONES})
    given = tmp_path / "input.json"
    given.write_text('{"inputs": {"x": [[1]]}}')
    canary = "c4n4ry"
    done = site.mlflow(
        *("predict", "--name", "x", "-I", str(given)),
        TRITON_URL=f"grpcs://{site.triton.grpc_url}",
        TRITON_TOKEN=canary,
    )
    assert "write grpc:// instead" in done.complaint
    assert canary not in done.err
    assert "ssl_transport_security" not in done.err  # gRPC's own log
