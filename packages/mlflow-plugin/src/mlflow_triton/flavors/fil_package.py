"""The package of a model for Triton's FIL backend: the model's own file, under FIL's name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_triton.flavors.fil import FLAVOR_NAME, LIGHTGBM, XGBOOST
from mlflow_triton.flavors.fil_config import generate_config
from mlflow_triton.flavors.fil_forest import Forest, unsuitable
from mlflow_triton.flavors.fil_lightgbm import read_lightgbm
from mlflow_triton.flavors.fil_xgboost import BOOSTER_CLASS, read_xgboost
from mlflow_triton.flavors.logged_file import find_logged, reader_of
from mlflow_triton.layout_check_backends import FIL_FILES
from triton_deploy_core.package import VersionPackage

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
    from mlflow_triton.mlmodel import MLmodel

_DEFAULT_DATA: Mapping[str, str] = MappingProxyType({XGBOOST: "model.xgb", LIGHTGBM: "model.lgb"})
"""What MLflow names the model's file where the MLmodel file names none."""


def fil_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a model of XGBoost or LightGBM: see `Flavor.package`."""
    kind = XGBOOST if XGBOOST in model.mlmodel.flavors else LIGHTGBM
    entry = model.mlmodel.flavors[kind]
    path = str(entry.get("data") or _DEFAULT_DATA[kind])
    path, source = find_logged(model, path)
    reader = reader_of(model, path, source)
    if kind == XGBOOST:
        forest = read_xgboost(reader, str(entry.get("model_class") or BOOSTER_CLASS))
    else:
        if str(entry.get("model_class") or "lightgbm.basic.Booster") != "lightgbm.basic.Booster":
            raise unsuitable(
                "MLflow pickles LightGBM's classes for scikit-learn, and a pickle is not read here",
                "Log its booster, model.booster_",
            )
        forest = read_lightgbm(reader)
    forest = _named(forest, model.mlmodel)
    (name,) = FIL_FILES[forest.model_type].names
    return VersionPackage(
        model.origin(FLAVOR_NAME), {name: source}, generate_config(forest, options)
    )


def _named(forest: Forest, mlmodel: MLmodel) -> Forest:
    """Return a forest with its features' names: its own, else those of the signature's columns."""
    names = forest.feature_names or _columns(mlmodel)
    return replace(forest, feature_names=names if len(names) == forest.features else ())


def _columns(mlmodel: MLmodel) -> tuple[str, ...]:
    try:
        inputs: Any = json.loads(mlmodel.signature.get("inputs") or "[]")
        return tuple(str(column["name"]) for column in inputs)
    except (ValueError, TypeError, KeyError):
        return ()
