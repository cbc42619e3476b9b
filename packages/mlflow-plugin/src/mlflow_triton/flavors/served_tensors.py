"""Inputs and outputs of a generated ``config.pbtxt`` whose rows are a dimension like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions
    from triton_deploy_transport.pbtxt import ModelConfig


@dataclass(frozen=True, slots=True)
class ModelTensor:
    """An input or output.

    Attributes:
        name: as the backend has it.
        data_type: as ``config.pbtxt`` has it: ``TYPE_FP32``.
        shape: the rows included; -1 for a size that may vary.
    """

    name: str
    data_type: str
    shape: tuple[int, ...]


def add_tensors(
    config: ModelConfig, inputs: Sequence[ModelTensor], outputs: Sequence[ModelTensor]
) -> None:
    """Add inputs and outputs to a configuration that has its ``max_batch_size``."""
    for tensor in inputs:
        _describe(config.input.add(), tensor, batched=config.max_batch_size > 0)
    for tensor in outputs:
        _describe(config.output.add(), tensor, batched=config.max_batch_size > 0)


def _describe(
    entry: ModelConfig.ModelInput | ModelConfig.ModelOutput, tensor: ModelTensor, *, batched: bool
) -> None:
    entry.name = tensor.name
    entry.data_type = tensor.data_type
    dims = tensor.shape[int(batched) :]
    entry.dims.extend(dims or (1,))  # Triton has no empty dims
    if not dims:
        entry.reshape.SetInParent()


def max_batch_size(
    options: PackageOptions, tensors: Sequence[ModelTensor], default: int = 0
) -> int:
    """Return the batch limit that the user asks for, else a default.

    Raises:
        InvalidSettingError: this model can't have it.
    """
    requested = default if options.max_batch_size is None else options.max_batch_size
    if requested < 0:
        message = f"max_batch_size={requested} is negative. Use 0 for no batching, or more."
        raise InvalidSettingError(message)
    for tensor in tensors if requested else ():
        if tensor.shape[:1] != (-1,):
            raise InvalidSettingError(
                f"max_batch_size={requested} can't be had: the first dimension of "
                f"{tensor.name!r}, which has shape {list(tensor.shape)}, is not free. Leave the "
                "setting out, or export the model with one that is."
            )
    return requested


def has_free_rows(tensors: Sequence[ModelTensor]) -> bool:
    """Tell whether the first dimension of all of them is free."""
    return all(tensor.shape[:1] == (-1,) for tensor in tensors)
