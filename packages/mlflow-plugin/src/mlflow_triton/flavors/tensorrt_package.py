"""The package of an engine of TensorRT, and what can be said of its ``config.pbtxt``.

An engine can be read on its own kind of GPU alone. So its inputs and outputs are those of MLflow's
signature, or are left to the server. Source of what the backend does with either:
``AutoCompleteConfigHelper`` in ``src/model_state.cc`` of triton-inference-server/tensorrt_backend.
Dimensions that name the rows turn batching off there; without any, ``max_batch_size`` becomes the
engine's own limit.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.logged_file import find_logged
from mlflow_triton.flavors.packaging import UnsuitableModelError
from mlflow_triton.flavors.pyfunc_signature import ServedTensor, named_tensors
from mlflow_triton.flavors.served_tensors import ModelTensor, add_tensors, max_batch_size
from mlflow_triton.flavors.tensorrt import FLAVOR_NAME
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.package import VersionPackage
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
    from mlflow_triton.mlmodel import MLmodel

BACKEND = "tensorrt"
MODEL_FILE = "model.plan"

_TYPES = frozenset(
    f"TYPE_{name}" for name in ("FP32", "FP16", "INT8", "INT32", "INT64", "UINT8", "BOOL")
)
"""What engines have of the types that a signature can name."""

_logger = logging.getLogger(__name__)


def tensorrt_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of an engine: see `Flavor.package`."""
    path = str(model.mlmodel.flavors[FLAVOR_NAME].get("data") or MODEL_FILE)
    files = {MODEL_FILE: find_logged(model, path)[1]}
    return VersionPackage(model.origin(FLAVOR_NAME), files, generate_config(model.mlmodel, options))


def generate_config(mlmodel: MLmodel, options: PackageOptions) -> bytes:
    """Return the text of a configuration, complete if the signature names every tensor.

    Raises:
        UnsuitableModelError: the signature has a type that no engine has.
        InvalidSettingError: an option that this model can't have.
    """
    inputs = _tensors(named_tensors(mlmodel, "inputs"))
    outputs = _tensors(named_tensors(mlmodel, "outputs"))
    if inputs and outputs:
        size = max_batch_size(options, (*inputs, *outputs))
        config = ModelConfig(backend=BACKEND, max_batch_size=size)
        add_tensors(config, inputs, outputs)
    else:
        _logger.warning(
            "the signature does not name the engine's inputs and outputs: the server has to "
            "complete the configuration, which it can't with --disable-auto-complete-config"
        )
        size = options.max_batch_size or 0
        if size < 0:
            raise InvalidSettingError(f"max_batch_size={size} is negative. Use 0, or more.")
        config = ModelConfig(backend=BACKEND, max_batch_size=size)
    add_options(config, options, joins_requests=size > 1)
    return to_text(config)


def _tensors(named: tuple[ServedTensor, ...]) -> tuple[ModelTensor, ...]:
    for tensor in named:
        if tensor.data_type not in _TYPES:
            kind = tensor.data_type.removeprefix("TYPE_")
            raise UnsuitableModelError(
                f"The signature says that {tensor.name!r} is {kind}, which no engine of TensorRT "
                "has.",
                "Log the model again with the engine's own types, or without a signature.",
            )
    return tuple(ModelTensor(tensor.name, tensor.data_type, tensor.shape) for tensor in named)
