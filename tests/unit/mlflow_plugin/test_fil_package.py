"""From a model of XGBoost or LightGBM to a package for Triton's FIL backend, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlflow_triton.flavors.fil import FLAVOR
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import ListedFiles
from mlflow_triton.packing import make_package
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError, ModelSourceError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.source import LocatedModel
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

BOOSTER = "xgboost.core.Booster"
CLASSIFIER = "xgboost.sklearn.XGBClassifier"
COLUMN = {"type": "double", "name": "age"}


def xgboost_file(
    objective: str = "reg:squarederror",
    *,
    booster: str = "gbtree",
    rounds: int = 3,
    attributes: dict[str, str] | None = None,
    names: list[str] | None = None,
    cats: list[Any] | None = None,
    **param: str,
) -> bytes:
    model = {
        "cats": {"enc": cats or []},
        "iteration_indptr": list(range(rounds + 1)),
        "trees": [{"left_children": [1, -1], "tree_param": {"num_nodes": "2"}}] * rounds,
    }
    inner = {"gbtree": {"model": model}} if booster == "dart" else {"model": model}
    learner = {
        "attributes": attributes or {},
        "feature_names": names or [],
        "gradient_booster": {**inner, "name": booster},
        "learner_model_param": {"num_feature": "4", "num_class": "0", "num_target": "1", **param},
        "objective": {"name": objective},
    }
    return json.dumps({"learner": learner, "version": [3, 2, 0]}).encode()


def lightgbm_file(objective: str = "regression", classes: int = 1, tail: str = "") -> bytes:
    tree = "Tree=0\nnum_leaves=1\nleaf_value=0\n\n\n"
    return (
        f"tree\nversion=v4\nnum_class={classes}\nmax_feature_idx=3\nobjective={objective}\n"
        f"feature_names=a b c d\ntree_sizes={len(tree)}\n\n{tree}end of trees\n\n{tail}\n"
    ).encode()


def model(file: bytes, /, kind: str = "xgboost", columns: int = 0, **entry: Any) -> FlavorInput:
    name = entry.setdefault("data", "model.ubj" if kind == "xgboost" else "model.lgb")
    inputs = [{**COLUMN, "name": f"c{place}"} for place in range(columns)]
    signature = {"inputs": json.dumps(inputs)} if columns else {}
    return FlavorInput(
        DeploymentName("x"),
        ListedFiles("models:/x/1", {name: Content(file)}),
        MLmodel({kind: entry, "python_function": {}}, signature=signature),
        "models:/x/1",
    )


def package(given: FlavorInput, **options: Any) -> tuple[VersionPackage, ModelConfig]:
    own = {key: options.pop(key) for key in ("predict_proba", "threshold") if key in options}
    made = FLAVOR.package(given, PackageOptions(**options, own=own))
    assert isinstance(made, VersionPackage)
    config = parse(made.config)
    assert check_config(config, name="x", auto_complete=False) == []
    return made, config


def parameters(config: ModelConfig) -> dict[str, str]:
    return {key: value.string_value for key, value in config.parameters.items()}


XGBOOST = {"model_type": "xgboost_json"}
NUMBER = {"is_classifier": "false", "output_class": "false", "predict_proba": "false"}
CLASS = {
    "is_classifier": "true",
    "output_class": "true",
    "predict_proba": "false",
    "threshold": "0.5",
}
PROBABILITIES = {**CLASS, "predict_proba": "true"}
THREE = {"num_class": "3"}


@pytest.mark.parametrize(
    ("file", "model_class", "said", "width"),
    [
        (xgboost_file(), BOOSTER, NUMBER, 1),
        (xgboost_file(booster="dart"), BOOSTER, NUMBER, 1),
        (xgboost_file(), "xgboost.sklearn.XGBRegressor", NUMBER, 1),
        (xgboost_file("binary:logistic"), BOOSTER, NUMBER, 1),
        (xgboost_file("binary:logistic"), CLASSIFIER, CLASS, 1),
        (xgboost_file("multi:softprob", **THREE), BOOSTER, PROBABILITIES, 3),
        (xgboost_file("multi:softmax", **THREE), BOOSTER, CLASS, 1),
        (xgboost_file("multi:softprob", **THREE), CLASSIFIER, CLASS, 1),
        (
            xgboost_file("binary:logistic", attributes={"scikit_learn": '{"x": "classifier"}'}),
            "mine.Model",
            CLASS,
            1,
        ),
    ],
)
def test_what_xgboost_predicts_is_what_is_configured(file, model_class, said, width):
    made, config = package(model(file, model_class=model_class))
    assert made.files == {"xgboost.json": Content(file)}
    assert parameters(config) == XGBOOST | said
    assert (config.backend, config.max_batch_size) == ("fil", 32768)
    assert (config.input[0].name, list(config.input[0].dims)) == ("input__0", [4])
    assert (config.output[0].name, list(config.output[0].dims)) == ("output__0", [width])
    assert config.HasField("dynamic_batching")


@pytest.mark.parametrize(
    ("objective", "classes", "said", "width"),
    [
        ("regression", 1, NUMBER, 1),
        ("lambdarank", 1, NUMBER, 1),
        ("binary sigmoid:1", 1, NUMBER, 1),
        ("multiclass num_class:3", 3, PROBABILITIES, 3),
    ],
)
def test_what_lightgbm_predicts_is_what_is_configured(objective, classes, said, width):
    file = lightgbm_file(objective, classes, "parameters:\n[linear_tree: 0]\npandas_categorical:[]")
    made, config = package(model(file, "lightgbm"))
    assert made.files == {"model.txt": Content(file)}
    assert parameters(config) == {"model_type": "lightgbm", **said}
    assert list(config.input[0].dims) == [4]
    assert list(config.output[0].dims) == [width]


def test_classes_or_probabilities_as_the_user_asks():
    binary = xgboost_file("binary:logistic")
    _, config = package(model(binary, model_class=CLASSIFIER), predict_proba=True)
    assert parameters(config) == XGBOOST | PROBABILITIES
    assert list(config.output[0].dims) == [2]
    _, config = package(model(binary), predict_proba=False, threshold=0.3, max_batch_size=8)
    assert parameters(config) == XGBOOST | CLASS | {"threshold": "0.3"}
    assert config.max_batch_size == 8
    for options in (
        {"predict_proba": True},
        {"threshold": 0.3},
        {"max_batch_size": 0},
    ):
        with pytest.raises(InvalidSettingError, match=r"model is no classifier|two classes|too sm"):
            package(model(xgboost_file()), **options)


def test_the_features_names_are_the_models_or_the_signatures():
    named = xgboost_file(names=["a", "b", "ä", "d"])
    _, config = package(model(named, columns=4))
    assert json.loads(parameters(config)["feature_names"]) == ["a", "b", "ä", "d"]
    _, config = package(model(lightgbm_file(), "lightgbm", columns=4))
    assert json.loads(parameters(config)["feature_names"]) == ["c0", "c1", "c2", "c3"]
    _, config = package(model(xgboost_file(), columns=3))
    assert "feature_names" not in parameters(config)


EARLY = {"best_iteration": "1"}


@pytest.mark.parametrize(
    ("file", "entry", "reason"),
    [
        (xgboost_file(booster="gblinear"), {}, "booster is gblinear"),
        (xgboost_file("reg:quantileerror"), {}, "objective is reg:quantileerror"),
        (xgboost_file(num_target="2"), {}, "several targets"),
        (xgboost_file(cats=[{"values": []}]), {}, "categories into numbers"),
        (xgboost_file(attributes=EARLY), {"model_class": CLASSIFIER}, "its best 2 rounds"),
        (b"binf\0\0\0\0", {}, "old binary format"),
        (b'{"learner": 3}', {}, "not one of XGBoost's"),
        (b'{"learner": {}}', {}, "not one of XGBoost's"),
        (b"", {}, "old binary format"),
        (lightgbm_file("multiclassova num_class:3", 3), {}, "for 3 classes is multiclassova"),
        (lightgbm_file("new"), {}, "objective is new"),
        (lightgbm_file(tail="[linear_tree: 1]"), {}, "linear models"),
        (lightgbm_file(tail="[zero_as_missing: 1]"), {}, "zeros for missing"),
        (lightgbm_file(tail='pandas_categorical:[["a"]]'), {}, "categories into numbers"),
        (lightgbm_file(), {"model_class": "lightgbm.sklearn.LGBMClassifier"}, "booster_"),
        (b"tree\nnothing\n", {}, "not LightGBM's text"),
        (b"\n\nTree=0\n", {}, "not LightGBM's text"),
    ],
)
def test_what_fil_cannot_serve_says_why_and_is_a_python_model_else(
    file, entry, reason, warnings_told
):
    kind = "xgboost" if file.startswith((b"{", b"binf")) or not file else "lightgbm"
    given = model(file, kind, **entry)
    with pytest.raises(UnsuitableModelError, match=reason):
        package(given)

    mlmodel = "flavors:\n  python_function: {}\n" + f"  {kind}: {json.dumps(entry or {})}\n"
    signature = {side: json.dumps([COLUMN]) for side in ("inputs", "outputs")}
    mlmodel += f"signature: {json.dumps(signature)}\n"
    name = "model.xgb" if kind == "xgboost" else "model.lgb"
    files = {"MLmodel": Content(mlmodel.encode()), name: Content(file)}
    files["model.ubj"] = files["model.lgb"] = Content(file)
    located = LocatedModel(uri="models:/x/1", files=ListedFiles("models:/x/1", files))
    made = make_package(DeploymentName("x"), located, None, PackageOptions())
    assert made.origin.flavor == "pyfunc"
    (told,) = warnings_told()
    assert told.startswith("deploying models:/x/1 as flavor pyfunc: Triton's FIL backend can't")
    assert "--flavor pyfunc" not in told
    with pytest.raises(UnsuitableModelError, match=reason):
        make_package(DeploymentName("x"), located, "fil", PackageOptions())


def test_what_the_file_cannot_be():
    with pytest.raises(ModelSourceError, match=r"no file 'gone\.ubj'"):
        package(
            FlavorInput(
                DeploymentName("x"),
                ListedFiles("models:/x/1", {}),
                MLmodel({"xgboost": {"data": "gone.ubj"}}),
                "models:/x/1",
            )
        )
    with pytest.raises(InvalidPackageError, match="outside of the model"):
        package(model(xgboost_file(), data="../model.ubj"))


@pytest.mark.parametrize("text", ["yes", "2", ""])
def test_settings_are_checked(text):
    for setting in FLAVOR.settings:
        with pytest.raises(ValueError, match="it has to be"):
            setting.parse(text)


def test_settings_are_read():
    flag, number = FLAVOR.settings
    assert (flag.parse("True"), flag.parse("false"), number.parse("0.25")) == (True, False, 0.25)
