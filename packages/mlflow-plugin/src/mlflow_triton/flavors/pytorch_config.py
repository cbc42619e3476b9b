"""A complete ``config.pbtxt`` for Triton's PyTorch backend, which completes none itself.

The signature says what the backend can't know: types and shapes. Source of what it takes:
``src/libtorch.cc`` and ``src/libtorch_utils.cc`` of triton-inference-server/pytorch_backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_triton.feature_names import PARAMETER, write_names
from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.pyfunc_signature import ServedSignature, ServedTensor
from mlflow_triton.flavors.pytorch_forward import unsuitable
from mlflow_triton.flavors.signature_config import (
    add_text_forms,
    batch_size,
    has_batch_dimension,
)
from mlflow_triton.text_forms import TextForm
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions

BACKEND = "pytorch"
DEFAULT_MAX_BATCH_SIZE = 4
_NUMBERS = frozenset({"TYPE_BOOL", "TYPE_UINT8", "TYPE_INT8", "TYPE_INT16", "TYPE_INT32"})
_NUMBERS |= {"TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64"}


def torch_signature(signature: ServedSignature) -> ServedSignature:
    """Return what TorchScript takes and gives, of what MLflow says of the model.

    Tensors without a name are called as the backend numbers them. Columns are one matrix, of FP32
    where they are inputs: so MLflow hands a table to PyTorch (``mlflow/pytorch/__init__.py``).

    Raises:
        UnsuitableModelError: the backend has no such tensors.
    """
    served = ServedSignature(
        _tensors(signature.inputs, "INPUT", "TYPE_FP32"), _tensors(signature.outputs, "OUTPUT")
    )
    for tensor in (*served.inputs, *served.outputs):
        _check(tensor)
    return served


def generate_config(
    signature: ServedSignature, features: Sequence[str], options: PackageOptions
) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Args:
        signature: as `torch_signature` returns it.
        features: the names of its only input's columns, if they have any.
        options: what the user asks for.

    Raises:
        InvalidSettingError: an option that this model can't have.
    """
    requested = options.max_batch_size
    if requested is None:
        requested = DEFAULT_MAX_BATCH_SIZE if has_batch_dimension(signature) else 0
    config = ModelConfig(backend=BACKEND, max_batch_size=batch_size(signature, requested))
    for tensor in signature.inputs:
        _describe(config.input.add(), tensor, batched=config.max_batch_size > 0)
    for tensor in signature.outputs:
        _describe(config.output.add(), tensor, batched=config.max_batch_size > 0)
    add_text_forms(config, signature)
    if features:
        config.parameters[PARAMETER].string_value = write_names(features)
    add_options(config, options, joins_requests=config.max_batch_size > 1)
    return to_text(config)


def feature_names(inputs: Sequence[ServedTensor]) -> tuple[str, ...]:
    """Return the names of the columns that a model takes as one matrix."""
    names = tuple(tensor.name for tensor in inputs if tensor.column and tensor.named)
    return names if len(names) == len(inputs) else ()


def _tensors(
    tensors: Sequence[ServedTensor], side: str, kind: str | None = None
) -> tuple[ServedTensor, ...]:
    if not tensors[0].column:
        return tuple(
            tensor if tensor.named else replace(tensor, name=f"{side}__{place}")
            for place, tensor in enumerate(tensors)
        )
    kinds = {tensor.data_type for tensor in tensors}
    if not kinds <= _NUMBERS or (kind is None and len(kinds) > 1):
        columns = f"its {side.lower()} columns"
        what = "of several types" if kinds <= _NUMBERS else "not all numbers"
        raise unsuitable(f"{columns} are {what}, and it is a matrix that a module works with")
    return (ServedTensor(f"{side}__0", kind or kinds.pop(), (-1, len(tensors))),)


def _check(tensor: ServedTensor) -> None:
    if tensor.data_type == "TYPE_STRING":
        if tensor.form not in {None, TextForm.TEXT} or len(tensor.shape) != 1:
            raise unsuitable(f"{tensor.name!r} is neither of numbers nor a list of text")
    elif tensor.data_type not in _NUMBERS:
        kind = tensor.data_type.removeprefix("TYPE_")
        raise unsuitable(f"{tensor.name!r} is of type {kind}, which it does not take")
    elif not tensor.shape:
        raise unsuitable(f"{tensor.name!r} is a single number without a dimension")


def _describe(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput, tensor: ServedTensor, *, batched: bool
) -> None:
    entry.name, entry.data_type = tensor.name, tensor.data_type
    dims = tensor.shape[int(batched) :]
    entry.dims.extend(dims or (1,))
    if not dims:  # Triton has no empty dims
        entry.reshape.SetInParent()
