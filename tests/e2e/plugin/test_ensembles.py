"""Chains of MLflow models as one deployment: they return what the models return in turn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from tests.e2e.plugin.conftest import saved_models

ROWS = load_iris(return_X_y=True, as_frame=True)[0].astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of models, saved by a process of its own."""
    return saved_models("ensemble_models.py", tmp_path_factory.mktemp("ensembles"))


def chain(models: dict[str, str], trees: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what the models return here, one after another."""
    scaled = mlflow.pyfunc.load_model(models["scaler"]).predict(rows)
    classifier = mlflow.xgboost.load_model(models[trees])
    probabilities = classifier.predict_proba(scaled)
    return mlflow.pyfunc.load_model(models["labels"]).predict(probabilities)


def settings(models: dict[str, str], post: str = "labels") -> dict[str, object]:
    return {
        "preprocess": models["scaler"],
        "postprocess": models[post],
        "predict_proba": True,
        "env": f"python:{sys.executable}",
    }


def is_answer(outputs: pd.Series, expected: pd.DataFrame) -> bool:
    return (outputs["species"] == expected["species"].to_numpy()).all() and np.allclose(
        outputs["probability"], expected["probability"], rtol=2e-5
    )


@contextmanager
def asked_all_the_while(client, *allowed: pd.DataFrame) -> Iterator[None]:
    """Ask `iris` from two threads; each answer has to be one of those, whole."""
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                got = client.predict("iris", ROWS[:9])["outputs"]
            except MlflowException as error:
                answers.append(str(error))
                return
            right = any(is_answer(got, expected[:9]) for expected in allowed)
            answers.append("" if right else str(got))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in asking:
            thread.join()
    assert len(answers) > len(asking)
    assert set(answers) == {""}


def test_a_chain_is_deployed_updated_and_deleted_as_one(site, client, models):
    few, more = (chain(models, trees, ROWS) for trees in ("few_trees", "more_trees"))
    assert not np.allclose(few["probability"], more["probability"])
    created = client.create_deployment("iris", models["few_trees"], config=settings(models))
    assert created == {"name": "iris", "flavor": "fil"}
    assert is_answer(client.predict("iris", ROWS)["outputs"], few)
    shown = client.get_deployment("iris")
    assert shown["parts"].split(", ") == [
        f"iris.preprocess.1 ({models['scaler']})",
        f"iris.model.1 ({models['few_trees']})",
        f"iris.postprocess.1 ({models['labels']})",
    ]
    assert "differences" not in shown
    assert [row["name"] for row in client.list_deployments()] == ["iris"]
    for touch in (client.delete_deployment, client.get_deployment, client.update_deployment):
        with pytest.raises(MlflowException, match="is a part of the deployment 'iris'"):
            touch("iris.model.1")

    lost, words = settings(models, "never_loads"), settings(models, "of_words")
    gives, takes = r"few_trees gives output__0 \(FP32 \[-1, 3\]\)", r"takes words \(STRING \[-1\]\)"
    with asked_all_the_while(client, few, more):
        client.update_deployment("iris", models["more_trees"], config=settings(models))
        files = site.files()
        with pytest.raises(MlflowException, match=r"the labels are lost.*goes on serving"):
            client.update_deployment("iris", models["few_trees"], config=lost)
        with pytest.raises(MlflowException, match=f"{gives}, .*{takes}"):
            client.update_deployment("iris", models["few_trees"], config=words)
        assert site.files() == files
    assert site.is_ready()
    assert is_answer(client.predict("iris", ROWS)["outputs"], more)
    assert client.get_deployment("iris")["parts"].split(", ")[1].startswith("iris.model.2 ")

    client.update_deployment("iris", models["few_trees"], config={"keep_versions": 0})
    assert "parts" not in client.get_deployment("iris")
    assert {path.partition("/")[0] for path in site.files()} == {"iris"}


def test_trees_that_give_one_number_a_row_give_it_for_a_single_row_too(client, models):
    """An ensemble strips what it takes for the batch of a tensor whose rank it does not expect."""
    scaled = mlflow.pyfunc.load_model(models["scaler"]).predict(ROWS)
    kinds = mlflow.pyfunc.load_model(models["few_trees"]).predict(scaled)
    chained = {key: settings(models)[key] for key in ("preprocess", "env")}
    client.create_deployment("kinds", models["few_trees"], config=chained)
    for rows in (1, 2, len(ROWS)):
        given = client.predict("kinds", ROWS[-rows:])["outputs"]["output__0"]
        assert given.shape == (rows,)
        assert (given == kinds[-rows:]).all()
    assert "output__0 FP32 [-1]" in str(client.get_deployment("kinds"))

    client.update_deployment(
        "kinds", models["few_trees"], config={**chained, "postprocess": models["names"]}
    )
    names = np.array(["setosa", "versicolor", "virginica"])
    for rows in (1, 2):
        given = client.predict("kinds", ROWS[-rows:])["outputs"]["species"]
        assert given.tolist() == [name.encode() for name in names[kinds[-rows:]]]
