from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_triton.source_uri import (
    ArtifactRef,
    LoggedModelRef,
    PathRef,
    RegisteredModelRef,
    RunModelRef,
    parse_model_uri,
    without_secrets,
)
from triton_deploy_core.errors import ModelSourceError


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("models:/iris/1", RegisteredModelRef("iris", version=1)),
        ("models:/iris/1/", RegisteredModelRef("iris", version=1)),
        ("models:/my model/2", RegisteredModelRef("my model", version=2)),
        ("models:/a%20b#c/2", RegisteredModelRef("a%20b#c", version=2)),
        ("models:/iris/latest", RegisteredModelRef("iris")),
        ("models:/iris/Latest", RegisteredModelRef("iris")),
        ("models:/iris/Production", RegisteredModelRef("iris", stage="Production")),
        ("models:/iris@champion", RegisteredModelRef("iris", alias="champion")),
        ("models:/a@b@champion", RegisteredModelRef("a@b", alias="champion")),
        ("models:/a@b/3", RegisteredModelRef("a@b", version=3)),
        ("models:/m-0123", LoggedModelRef("m-0123")),
        ("runs:/abc/triton", RunModelRef("abc", "triton")),
        ("runs:/abc/models/triton/", RunModelRef("abc", "models/triton")),
        ("file:///a%20b/model", PathRef(Path("/a b/model"))),
        ("file://localhost/model", PathRef(Path("/model"))),
        ("/a/b", PathRef(Path("/a/b"))),
        ("a b/c", PathRef(Path("a b/c"))),
        ("./a:b", PathRef(Path("a:b"))),
        ("~", PathRef(Path.home())),
        ("s3://bucket/key", ArtifactRef("s3://bucket/key")),
        ("mlflow-artifacts:/1/a", ArtifactRef("mlflow-artifacts:/1/a")),
    ],
)
def test_forms(text: str, ref: object) -> None:
    assert parse_model_uri(text) == ref


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a\0b",
        "models:/",
        "models:",
        "models:/iris",
        "models:/iris//1",
        "models:/iris/1/2",
        "models://profile@databricks/iris/1",
        "models:/iris@",
        "models:/@champion",
        "models:/ /1",
        "runs:/",
        "runs:/abc",
        "runs:/abc/../def",
        "file://elsewhere/model",
        "s3://[bucket",
    ],
)
def test_what_is_no_model_uri(text: str) -> None:
    with pytest.raises(ModelSourceError) as caught:
        parse_model_uri(text)

    assert "models:/<name>/<version>" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host:5000/x", "http://host:5000/x"),
        ("postgresql://u:p@ss@host/db?password=x", "postgresql://host/db"),
        ("GET https://a@b/c?sig=1&x=2 failed", "GET https://b/c failed"),
        ("models:/iris@champion", "models:/iris@champion"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("models:/what?x=1/2", "models:/what?x=1/2"),
        ("a?b=c/model", "a?b=c/model"),
        ("Are you sure? Yes = no", "Are you sure? Yes = no"),
    ],
)
def test_secrets_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_a_refused_uri_shows_no_secret() -> None:
    with pytest.raises(ModelSourceError) as caught:
        parse_model_uri("models://user:secret@host/iris/1")

    assert "secret" not in str(caught.value)
