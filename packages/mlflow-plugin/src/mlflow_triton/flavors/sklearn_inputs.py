"""What a scikit-learn model takes once it is ONNX.

A model that picks columns by name, or takes more than numbers, has an input for each column; any
other takes its columns side by side, as one matrix.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_triton.flavors.packaging import UnsuitableModelError
from mlflow_triton.flavors.pyfunc_signature import read_inputs
from mlflow_triton.text_forms import TextForm
from triton_deploy_core.ports.model_server import TensorSpec

if TYPE_CHECKING:
    from mlflow_triton.flavors.pyfunc_signature import ServedTensor
    from mlflow_triton.mlmodel import MLmodel

MATRIX = "input"
"""The name of the only input."""

AS_PYFUNC = "Leave convert=onnx out to deploy it as pyfunc."

_FLOATS = frozenset({"FP16", "FP32", "FP64"})
_INTEGERS = frozenset(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
_OTHERS = {"BOOL": "BOOL", "STRING": "BYTES"}


@dataclass(frozen=True, slots=True)
class SklearnInputs:
    """The inputs of a converted model.

    Attributes:
        tensors: name, KServe's data type and shape of each, the rows included.
        feature_names: what the columns of the only input are called; empty where it is none of
            columns with names.
    """

    tensors: tuple[TensorSpec, ...]
    feature_names: tuple[str, ...] = ()


def sklearn_inputs(mlmodel: MLmodel, model: Any, numbers: str) -> SklearnInputs:
    """Return what a converted model is to take.

    Args:
        mlmodel: with the signature.
        model: the scikit-learn model.
        numbers: ``FP32`` or ``FP64``, for all that is no whole number, text or truth value.

    Raises:
        UnsuitableModelError: a column has a type that such a model can't take in ONNX.
        InvalidPackageError: there is no signature.
    """
    given = read_inputs(mlmodel)
    if len(given) == 1 and not _is_column(mlmodel):
        return SklearnInputs((_tensor(given[0], numbers),))
    types = {tensor.name: _column_type(tensor, numbers) for tensor in given}
    if "BYTES" in types.values() or _picks_columns(model):
        return SklearnInputs(tuple(TensorSpec(name, kind, (-1, 1)) for name, kind in types.items()))
    return SklearnInputs((TensorSpec(MATRIX, numbers, (-1, len(types))),), tuple(types))


def _is_column(mlmodel: MLmodel) -> bool:
    specs = json.loads(mlmodel.signature["inputs"])
    return all(spec["type"] != "tensor" for spec in specs)


def _tensor(tensor: ServedTensor, numbers: str) -> TensorSpec:
    kind = _column_type(tensor, numbers)
    return TensorSpec(MATRIX, kind if kind == "BYTES" else numbers, (-1, *tensor.shape[1:]))


def _column_type(tensor: ServedTensor, numbers: str) -> str:
    kind = tensor.data_type.removeprefix("TYPE_")
    if kind in _FLOATS:
        return numbers
    if kind in _INTEGERS:
        return "INT64"
    if kind == "STRING" and tensor.form is not TextForm.TEXT:
        raise UnsuitableModelError(
            f"The model can't be converted to ONNX: {tensor.name!r} holds dates, lists or bytes.",
            AS_PYFUNC,
        )
    return _OTHERS[kind]


def _picks_columns(model: Any) -> bool:
    """Tell whether a part of a model picks columns of a table, which needs their names or types."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 (whoever has a model has it)

    parts: Sequence[Any] = [model, *model.get_params(deep=True).values()]
    return any(isinstance(part, ColumnTransformer) for part in parts)
