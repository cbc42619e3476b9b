"""Logging a model that is one file of a backend, with what belongs to it, as an MLflow model.

MLflow has no flavor for these, so that `mlflow_triton.openvino` and `mlflow_triton.tensorrt` have
the functions that its own flavors have, and write an entry as those do: ``data`` names the file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.utils import _save_example

from mlflow_triton._flavor_log import log_with_mlflow
from triton_deploy_core.errors import InvalidRequestError

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo


def save_model_files(
    files: Mapping[str, str | os.PathLike[str]],
    path: str | os.PathLike[str],
    flavor: str,
    mlflow_model: Model | None,
    **facts: Any,
) -> None:
    """Write an MLflow model's directory.

    Args:
        files: name in the directory → the file; the first is the flavor's ``data``.
        path: the directory, which must not exist or be empty.
        flavor: its name.
        mlflow_model: what the flavor is added to.
        facts: ``signature``, ``input_example`` and ``metadata`` of the model, None for none.

    Raises:
        InvalidRequestError: a file or the directory can't be used. Nothing is left behind.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidRequestError(f"{target} exists already. Choose another path.")
    for file in files.values():
        if not Path(file).is_file():
            raise InvalidRequestError(f"{file} is not a file. Name the model's own file.")
    model = mlflow_model or Model()
    model.signature = facts.get("signature") or model.signature
    model.metadata = facts.get("metadata") or model.metadata
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            shutil.copyfile(file, target / name)
        if facts.get("input_example") is not None:
            _save_example(model, facts["input_example"], str(target))
        model.add_flavor(flavor, data=next(iter(files)))
        model.save(str(target / MLMODEL_FILE_NAME))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def log_model_files(
    flavor: ModuleType, default: str, name: str | None, artifact_path: str | None, **given: Any
) -> ModelInfo:
    """Log a model by its flavor's ``save_model``, under a name or else a default.

    Raises:
        InvalidRequestError: two names.
    """
    if name is not None and artifact_path is not None:
        raise InvalidRequestError("Give name= or artifact_path=, not both.")
    return log_with_mlflow(name or artifact_path or default, flavor, **given)
