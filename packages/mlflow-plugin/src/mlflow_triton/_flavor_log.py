"""`mlflow.models.Model.log`, whose arguments differ between MLflow 2 and 3."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from mlflow.models import Model
from mlflow.models.model import ModelInfo


def log_with_mlflow(name: str, flavor: ModuleType, **arguments: Any) -> ModelInfo:
    """Log a model under a name: MLflow 3's ``name``, MLflow 2's ``artifact_path``.

    MLflow 3 takes ``artifact_path`` too, and warns of it.
    """
    if "name" in inspect.signature(Model.log).parameters:
        where = {"artifact_path": None, "name": name}
    else:
        where = {"artifact_path": name}
    info: ModelInfo = Model.log(**where, flavor=flavor, **arguments)
    return info
