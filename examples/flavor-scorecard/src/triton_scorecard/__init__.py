"""Scorecards as MLflow models: ``save_model`` and ``log_model``, as MLflow's own flavors have."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.models import Model
from mlflow.models.model import ModelInfo

from triton_scorecard.scorecard import Scorecard

FLAVOR_NAME = "scorecard"
DATA = "scorecard.json"


def save_model(
    scorecard: Mapping[str, Any], path: str | os.PathLike[str], mlflow_model: Model | None = None
) -> None:
    """Save a scorecard as an MLflow model on this machine.

    Args:
        scorecard: see `Scorecard.parse`.
        path: the model's directory, which must not exist yet.
        mlflow_model: the MLflow model that the flavor is added to.

    Raises:
        ValueError: it is no scorecard.
    """
    Scorecard.parse(scorecard)
    directory = Path(path)
    directory.mkdir(parents=True)
    (directory / DATA).write_text(json.dumps(scorecard, indent=1), encoding="utf-8")
    model = mlflow_model or Model()
    model.add_flavor(FLAVOR_NAME, data=DATA)
    model.save(str(directory / "MLmodel"))


def log_model(scorecard: Mapping[str, Any], name: str, **more: Any) -> ModelInfo:
    """Log a scorecard to the active run; see `save_model` and `mlflow.models.Model.log`."""
    flavor = sys.modules[__name__]
    info: ModelInfo = Model.log(None, flavor, name=name, scorecard=scorecard, **more)
    return info
