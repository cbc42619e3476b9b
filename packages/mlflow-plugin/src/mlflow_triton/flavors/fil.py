"""The `fil` flavor: trees of XGBoost and LightGBM, on Triton's FIL backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, FlavorSetting, PackageOptions

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.package import VersionPackage

FLAVOR_NAME = "fil"
XGBOOST = "xgboost"
LIGHTGBM = "lightgbm"


def _flag(text: str) -> bool:
    value = {"true": True, "false": False}.get(text.strip().lower())
    if value is None:
        raise ValueError("it has to be true or false")
    return value


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError("it has to be a number from 0 to 1")
    return value


class FilFlavor(Flavor):
    """Packages models of XGBoost and LightGBM."""

    help = (
        "trees that mlflow.xgboost or mlflow.lightgbm logged, on Triton's FIL backend: input__0 is "
        "a row's features, output__0 what the model's own predict returns. What that backend can't "
        "serve (linear boosters, pickled models, categories, early stopping) is deployed as pyfunc "
        "unless the flavor is named, and a line says why."
    )
    settings = (
        FlavorSetting(
            "predict_proba",
            _flag,
            "true|false",
            "What a classifier returns: true for the probability of each class, false for the "
            "class. If not set, what the model's own predict returns.",
        ),
        FlavorSetting(
            "threshold",
            _threshold,
            "NUMBER",
            "Probability above which the second of two classes is returned; 0.5 if not set.",
        ),
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """See `Flavor.fit`."""
        return Fit.NATIVE if {XGBOOST, LIGHTGBM} & set(mlmodel.flavors) else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """See `Flavor.package`."""
        from mlflow_triton.flavors.fil_package import (  # noqa: PLC0415 (imports protobuf)
            fil_package,
        )

        return fil_package(model, options)


FLAVOR = FilFlavor()
