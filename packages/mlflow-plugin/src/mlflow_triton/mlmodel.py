"""What an ``MLmodel`` file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_triton.model_files import read_small
from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

MLMODEL_FILE = "MLmodel"


@dataclass(frozen=True, slots=True)
class MLmodel:
    """The parts of an ``MLmodel`` file that a deployment needs.

    Attributes:
        flavors: name → the flavor's own entries, as they stand in the file.
        run_id: the run that logged the model, where one did.
        model_id: MLflow 3's ``m-…``, where the model has one.
        signature: ``inputs``, ``outputs`` and ``params`` as JSON text, where the model has one.
        input_example: ``saved_input_example_info``, where an input example was logged.
    """

    flavors: Mapping[str, Mapping[str, Any]]
    run_id: str | None = None
    model_id: str | None = None
    signature: Mapping[str, Any] = field(default_factory=dict)
    input_example: Mapping[str, Any] = field(default_factory=dict)


def read_mlmodel(files: ModelFiles) -> MLmodel:
    """Read the ``MLmodel`` file of a model.

    Raises:
        ModelSourceError: there is none, it can't be read, or it is not one.
        InvalidPackageError: it is no small file, or a link that leaves the model.
    """
    path = f"{files.location}/{MLMODEL_FILE}"
    if files.find(MLMODEL_FILE) is None:
        message = (
            f"{files.location} is not an MLflow model: it has no file named {MLMODEL_FILE}. "
            "Check the model URI."
        )
        raise ModelSourceError(message)
    try:
        document = yaml.safe_load(read_small(files, MLMODEL_FILE))
    except yaml.YAMLError as error:
        message = f"{path} is not YAML ({_first_line(error)}). Log the model again."
        raise ModelSourceError(message) from error
    return _parse(document, path)


def _parse(document: object, path: str) -> MLmodel:
    flavors = document.get("flavors") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(flavors, dict) or not flavors:
        message = f"{path} names no flavors. Log the model again."
        raise ModelSourceError(message)
    signature, example = document.get("signature"), document.get("saved_input_example_info")
    return MLmodel(
        flavors={
            str(name): dict(entries) if isinstance(entries, dict) else {}
            for name, entries in flavors.items()
        },
        run_id=_text(document.get("run_id")),
        model_id=_text(document.get("model_id")),
        signature=signature if isinstance(signature, dict) else {},
        input_example=example if isinstance(example, dict) else {},
    )


def _text(value: object) -> str | None:
    return str(value) if value else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
