"""What a ``config.pbtxt`` says of the signature that it is made from, whatever the backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow_triton.text_forms import PARAMETER, TextForm, write_forms
from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from mlflow_triton.flavors.pyfunc_signature import ServedSignature, ServedTensor
    from triton_deploy_transport.pbtxt import ModelConfig


def has_batch_dimension(signature: ServedSignature) -> bool:
    """Tell whether the first dimension of every input and output is free."""
    tensors = (*signature.inputs, *signature.outputs)
    return all(tensor.shape[:1] == (-1,) for tensor in tensors)


def batch_size(signature: ServedSignature, requested: int) -> int:
    """Return the ``max_batch_size`` that was asked for.

    Raises:
        InvalidSettingError: the model can't have it.
    """
    if requested < 0:
        message = f"max_batch_size={requested} is negative. Use 0 for no batching, or more."
        raise InvalidSettingError(message)
    for tensor in (*signature.inputs, *signature.outputs) if requested else ():
        if tensor.shape[:1] != (-1,):
            raise InvalidSettingError(
                f"max_batch_size={requested} can't be had: the first dimension of "
                f"{tensor.name!r}, which has shape {list(tensor.shape)} in the model's signature, "
                "is not free. Leave the setting out."
            )
    return requested


def add_text_forms(config: ModelConfig, signature: ServedSignature) -> None:
    """Say in a configuration, which is changed in place, what text in its tensors means."""
    forms = _forms(signature.inputs), _forms(signature.outputs)
    if any(forms):
        config.parameters[PARAMETER].string_value = write_forms(*forms)


def _forms(tensors: Sequence[ServedTensor]) -> dict[str, TextForm]:
    return {tensor.name: tensor.form for tensor in tensors if tensor.form is not None}
