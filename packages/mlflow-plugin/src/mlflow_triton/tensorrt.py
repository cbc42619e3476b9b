"""The MLflow flavor `tensorrt`: engines of TensorRT as MLflow models.

::

    import mlflow
    import mlflow_triton.tensorrt
    from mlflow.types import Schema, TensorSpec

    signature = mlflow.models.ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3, 224, 224), "images")]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1000), "scores")]),
    )
    mlflow_triton.tensorrt.log_model("model.plan", name="model", signature=signature)

The names in the signature have to be the engine's. Without a signature, or with one that has no
names, the server finds out by itself what the engine takes and gives.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlflow_triton._model_file_log import log_model_files, save_model_files
from mlflow_triton.flavors.tensorrt import FLAVOR_NAME
from mlflow_triton.flavors.tensorrt_package import MODEL_FILE

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo

__all__ = ["FLAVOR_NAME", "log_model", "save_model"]


def save_model(
    plan_file: str | os.PathLike[str],
    path: str | os.PathLike[str],
    mlflow_model: Model | None = None,
    *,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Save an engine of TensorRT as an MLflow model on this machine.

    Args:
        plan_file: the engine, as ``trtexec --saveEngine`` writes it; its name does not matter.
        path: the MLflow model's directory, which must not exist yet.
        mlflow_model: the MLflow model that the flavor is added to.
        signature: MLflow's, with the engine's inputs and outputs.
        input_example: MLflow's, with which ``-C warmup=true`` warms the model up.
        metadata: MLflow's.

    Raises:
        InvalidRequestError: a file is missing, or `path` exists. Nothing is left behind.
    """
    facts = {"signature": signature, "input_example": input_example, "metadata": metadata}
    save_model_files({MODEL_FILE: plan_file}, path, FLAVOR_NAME, mlflow_model, **facts)


def log_model(
    plan_file: str | os.PathLike[str],
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    *,
    name: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log an engine of TensorRT to the active run, or to a new one.

    Args:
        plan_file: the engine, as ``trtexec --saveEngine`` writes it; its name does not matter.
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
        plan_file=plan_file,
        **kwargs,
    )
