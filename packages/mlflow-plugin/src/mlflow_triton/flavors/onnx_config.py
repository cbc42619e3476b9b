"""A complete ``config.pbtxt`` from an ONNX graph, so that no server has to complete it.

It says what Triton's own auto-complete would say (``src/onnxruntime.cc`` of
triton-inference-server/onnxruntime_backend): where every input and output has a free first
dimension, that is the batch dimension, ``max_batch_size`` is 4 and requests are joined to batches.
It is more careful in one thing: first dimensions with different names are no batch dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.onnx_types import DATA_TYPES, onnx_name
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.onnx_graph import OnnxGraph, OnnxTensor
    from mlflow_triton.flavors.packaging import PackageOptions

BACKEND = "onnxruntime"
DEFAULT_MAX_BATCH_SIZE = 4


def generate_config(graph: OnnxGraph, options: PackageOptions) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Raises:
        InvalidPackageError: an input or output has a type that the backend doesn't take, or a
            shape that can't be found out.
        InvalidSettingError: an option that this model can't have.
    """
    config = ModelConfig(backend=BACKEND, max_batch_size=_max_batch_size(graph, options))
    batched = config.max_batch_size > 0
    for tensor in graph.inputs:
        _describe(config.input.add(), tensor, batched=batched)
    for tensor in graph.outputs:
        _describe(config.output.add(), tensor, batched=batched)
    add_options(config, options, joins_requests=config.max_batch_size > 1)
    return to_text(config)


def _max_batch_size(graph: OnnxGraph, options: PackageOptions) -> int:
    requested = options.max_batch_size
    if requested is None:
        return DEFAULT_MAX_BATCH_SIZE if _has_batch_dimension(graph) else 0
    if requested < 0:
        message = f"max_batch_size={requested} is negative. Use 0 for no batching, or more."
        raise InvalidSettingError(message)
    if requested > 0:
        _check_batchable(graph, requested)
    return requested


def _has_batch_dimension(graph: OnnxGraph) -> bool:
    tensors = (*graph.inputs, *graph.outputs)
    firsts = {tensor.shape[0] for tensor in tensors if tensor.shape}
    return all(map(_first_is_free, tensors)) and len(firsts - {None}) <= 1


def _first_is_free(tensor: OnnxTensor) -> bool:
    match tensor.shape:
        case None | () | (int(), *_):
            return False
        case _:
            return True


def _check_batchable(graph: OnnxGraph, requested: int) -> None:
    for tensor in (*graph.inputs, *graph.outputs):
        if not _first_is_free(tensor):
            shape = list(tensor.shape or ())
            message = (
                f"max_batch_size={requested} can't be had: the first dimension of {tensor.name!r}, "
                f"which has shape {shape}, is not free. Leave the setting out, or export the "
                "model with a dynamic batch dimension."
            )
            raise InvalidSettingError(message)


def _describe(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput, tensor: OnnxTensor, *, batched: bool
) -> None:
    if tensor.element_type not in DATA_TYPES:
        name = onnx_name(tensor.element_type)
        message = (
            f"{tensor.name!r} has ONNX type {name}, which Triton's onnxruntime backend does not "
            "take. Cast it in the graph to a type that it takes (FLOAT, for one)."
        )
        raise InvalidPackageError(message)
    if tensor.shape is None:
        message = (
            f"The ONNX graph does not say what shape {tensor.name!r} has, so no complete "
            "config.pbtxt can be made. Log one beside the model with mlflow.log_artifact."
        )
        raise InvalidPackageError(message)
    entry.name = tensor.name
    entry.data_type = DATA_TYPES[tensor.element_type]
    dims = [size if isinstance(size, int) else -1 for size in tensor.shape[int(batched) :]]
    # Triton has no empty dims. Without batching the backend takes [1] for a scalar as it is.
    entry.dims.extend(dims or [1])
    if batched and not dims:
        entry.reshape.SetInParent()
