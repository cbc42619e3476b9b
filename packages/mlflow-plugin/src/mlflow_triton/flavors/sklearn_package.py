"""The package of a scikit-learn model that is converted to ONNX, as its user asked."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_triton.feature_names import PARAMETER, write_names
from mlflow_triton.first_line import first_line
from mlflow_triton.flavors.loaded_model import LoadedModel, loaded_model
from mlflow_triton.flavors.onnx import CONVERT, FLAVOR_NAME
from mlflow_triton.flavors.onnx_config import generate_config
from mlflow_triton.flavors.onnx_graph import read_graph
from mlflow_triton.flavors.onnx_package import MODEL_FILE
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.flavors.sklearn_comparison import with_checked_outputs
from mlflow_triton.flavors.sklearn_conversion import require_converter, to_onnx
from mlflow_triton.flavors.sklearn_inputs import AS_PYFUNC, SklearnInputs, sklearn_inputs
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.pbtxt import parse, to_text

if TYPE_CHECKING:
    import onnx

    from mlflow_triton.mlmodel import MLmodel

DEFAULT_MAX_BATCH_SIZE = 1024
"""Rows of a table are short: the four that Triton makes up would cut one into many requests."""

_PRECISIONS = ("FP32", "FP64")

_logger = logging.getLogger(__name__)


def sklearn_package(model: FlavorInput, options: PackageOptions) -> VersionPackage:
    """Make the package of a scikit-learn model: see `Flavor.package`."""
    require_converter()
    from mlflow.sklearn import load_model  # noqa: PLC0415 (imports scikit-learn)

    with loaded_model(model.files, load_model, f"{CONVERT}={FLAVOR_NAME}") as original:
        converted, inputs = _converted(original, model.mlmodel)
    if options.max_batch_size is None:
        options = replace(options, max_batch_size=DEFAULT_MAX_BATCH_SIZE)
    config = parse(generate_config(read_graph(converted), options))
    if inputs.feature_names:
        config.parameters[PARAMETER].string_value = write_names(inputs.feature_names)
    return VersionPackage(
        model.origin(FLAVOR_NAME), {MODEL_FILE: Content(_bytes(converted))}, to_text(config)
    )


def _converted(original: LoadedModel, mlmodel: MLmodel) -> tuple[onnx.ModelProto, SklearnInputs]:
    """Convert a model in single precision, or in double where that returns something else."""
    errors: list[UnsuitableModelError] = []
    for numbers in _PRECISIONS:
        inputs = sklearn_inputs(mlmodel, original.model, numbers)
        try:
            found = with_checked_outputs(to_onnx(original.model, inputs), inputs, original)
        except UnsuitableModelError as error:
            errors.append(error)
            continue
        if errors:
            _logger.warning(
                "converting to ONNX in %s, since in FP32: %s", numbers, errors[0].reason
            )
        return found, inputs
    raise errors[0]


def _bytes(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise UnsuitableModelError(
            f"The converted model is too large for one file ({first_line(error)}).", AS_PYFUNC
        ) from error
