"""The MLflow flavor `openvino`: models in OpenVINO's IR as MLflow models.

::

    import mlflow_triton.openvino

    openvino.save_model(openvino.convert_model("model.onnx"), "model.xml")
    mlflow_triton.openvino.log_model("model.xml", name="model", registered_model_name="detector")
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_triton._model_file_log import log_model_files, save_model_files
from mlflow_triton.flavors.openvino import FLAVOR_NAME
from mlflow_triton.flavors.openvino_package import MODEL_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo

__all__ = ["FLAVOR_NAME", "log_model", "save_model"]


def save_model(
    xml_file: str | os.PathLike[str],
    path: str | os.PathLike[str],
    mlflow_model: Model | None = None,
    *,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Save a model in OpenVINO's IR as an MLflow model on this machine.

    Args:
        xml_file: the model; its weights are beside it, in the ``.bin`` of that name.
        path: the MLflow model's directory, which must not exist yet.
        mlflow_model: the MLflow model that the flavor is added to.
        signature: MLflow's; the deployment does not need it.
        input_example: MLflow's, with which ``-C warmup=true`` warms the model up.
        metadata: MLflow's.

    Raises:
        InvalidRequestError: a file is missing, or `path` exists. Nothing is left behind.
    """
    files = {MODEL_FILE: Path(xml_file), WEIGHTS_FILE: Path(xml_file).with_suffix(".bin")}
    facts = {"signature": signature, "input_example": input_example, "metadata": metadata}
    save_model_files(files, path, FLAVOR_NAME, mlflow_model, **facts)


def log_model(
    xml_file: str | os.PathLike[str],
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    *,
    name: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a model in OpenVINO's IR to the active run, or to a new one.

    Args:
        xml_file: the model; its weights are beside it, in the ``.bin`` of that name.
        artifact_path: where in the run, `FLAVOR_NAME` if neither this nor `name` is given.
        registered_model_name: a name in the registry to register the model under as well.
        name: MLflow 3's word for `artifact_path`.
        kwargs: of `save_model`, and for `mlflow.models.Model.log`: ``run_id``, and so on.

    Returns:
        MLflow's own account of the model; its ``model_uri`` can be deployed.

    Raises:
        InvalidRequestError: as `save_model`; nothing was logged.
    """
    return log_model_files(
        sys.modules[__name__],
        FLAVOR_NAME,
        name,
        artifact_path,
        registered_model_name=registered_model_name,
        xml_file=xml_file,
        **kwargs,
    )
