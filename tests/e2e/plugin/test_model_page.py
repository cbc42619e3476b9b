"""MLflow's own page of a model's version says where that is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.deployments import get_deploy_client
from playwright.sync_api import Page, expect
from with_mlflow_server import mlflow_server

MODEL = "onnx_float32_int32_int32"


@pytest.fixture(scope="module")
def server(store: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow with pages, of the models that these tests have."""
    directory = tmp_path_factory.mktemp("server")
    with mlflow_server("--backend-store-uri", store.tracking_uri, directory=directory) as url:
        yield url


def test_the_page_of_a_version_says_where_it_is_deployed(
    site: Any, server: str, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    client = get_deploy_client(f"triton:http://me:secret@{site.triton.http_url}")
    client.create_deployment("fraud", f"models:/{MODEL}@champion")
    client.create_deployment("fraud~2", f"models:/{MODEL}/1", config={"max_batch_size": 8})
    page.goto(f"{server}/#/models/{MODEL}/versions/1")
    said = f"READY server=http://{site.triton.http_url} host="
    expect(page.get_by_text("triton.fraud", exact=True)).to_be_visible()
    expect(page.get_by_text(said)).to_have_count(2)
    assert "secret" not in page.content()

    client.update_deployment("fraud", f"models:/{MODEL}/2")
    page.reload()
    expect(page.get_by_text(said)).to_have_count(1)
    expect(page.get_by_text("triton.fraud", exact=True)).to_have_count(0)
    page.goto(f"{server}/#/models/{MODEL}/versions/2")
    expect(page.get_by_text(re.compile(f"{re.escape(said)}.*version=2 "))).to_be_visible()

    client.delete_deployment("fraud")
    client.delete_deployment("fraud~2", {"tags": "off"})
    registry = MlflowClient()
    assert registry.get_model_version(MODEL, "2").tags == {}
    left = registry.get_model_version(MODEL, "1").tags
    assert [key.partition("-")[0] for key in left] == ["triton.fraud_2"]
    registry.delete_model_version_tag(MODEL, "1", *left)
