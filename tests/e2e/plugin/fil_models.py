"""Saves the models of XGBoost and LightGBM that `test_fil` deploys, of scikit-learn's own data.

Usage: python fil_models.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightgbm
import mlflow
import xgboost
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

DIABETES = load_diabetes(return_X_y=True, as_frame=True)
CANCER = load_breast_cancer(return_X_y=True, as_frame=True)
IRIS = load_iris(return_X_y=True, as_frame=True)
FEW = {"n_estimators": 8, "n_jobs": 1}


def lightgbm_booster(objective: str, x, y, **more: object) -> lightgbm.Booster:
    params = {"objective": objective, "verbose": -1, "num_threads": 1, **more}
    return lightgbm.train(params, lightgbm.Dataset(x, y), num_boost_round=8)


def save(directory: Path) -> None:
    from_sklearn = {
        "xgboost_regression": (xgboost.XGBRegressor(**FEW).fit(*DIABETES), DIABETES, "ubj"),
        "xgboost_binary": (xgboost.XGBClassifier(**FEW).fit(*CANCER), CANCER, "json"),
        "xgboost_multiclass": (xgboost.XGBClassifier(**FEW).fit(*IRIS), IRIS, "ubj"),
    }
    _, _, kind = from_sklearn["xgboost_multiclass"]
    booster = from_sklearn["xgboost_multiclass"][0].get_booster()
    models = {
        **from_sklearn,
        "xgboost_booster": (booster, IRIS, kind),
        "xgboost_linear": (xgboost.XGBRegressor(booster="gblinear", **FEW).fit(*IRIS), IRIS, "ubj"),
    }
    for name, (model, (x, y), model_format) in models.items():
        outputs = y if name != "xgboost_booster" else booster.predict(xgboost.DMatrix(x))
        mlflow.xgboost.save_model(
            model,
            directory / name,
            model_format=model_format,
            signature=infer_signature(x, outputs),
            pip_requirements=[],
        )
    boosters = {
        "lightgbm_regression": (lightgbm_booster("regression", *DIABETES), DIABETES),
        "lightgbm_binary": (lightgbm_booster("binary", *CANCER), CANCER),
        "lightgbm_multiclass": (lightgbm_booster("multiclass", *IRIS, num_class=3), IRIS),
    }
    for name, (model, (x, _)) in boosters.items():
        signature = infer_signature(x, model.predict(x))
        mlflow.lightgbm.save_model(
            model, directory / name, signature=signature, pip_requirements=[]
        )


if __name__ == "__main__":
    save(Path(sys.argv[1]))
