"""What an MLflow signature says of a model, as tensors that Triton takes and gives.

Source of the format: ``mlflow/types/schema.py``; MLflow 2 and 3 write the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_triton.text_forms import TextForm
from triton_deploy_core.errors import InvalidPackageError

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel

_COLUMN_TYPES: Mapping[str, tuple[str, TextForm | None]] = MappingProxyType(
    {
        "boolean": ("TYPE_BOOL", None),
        "integer": ("TYPE_INT32", None),
        "long": ("TYPE_INT64", None),
        "float": ("TYPE_FP32", None),
        "double": ("TYPE_FP64", None),
        "string": ("TYPE_STRING", TextForm.TEXT),
        "binary": ("TYPE_STRING", None),
        "datetime": ("TYPE_STRING", TextForm.DATETIME),
        "array": ("TYPE_STRING", TextForm.JSON),
        "object": ("TYPE_STRING", TextForm.JSON),
        "map": ("TYPE_STRING", TextForm.JSON),
        "any": ("TYPE_STRING", TextForm.JSON),
        "sparkml_vector": ("TYPE_STRING", TextForm.JSON),
    }
)
_TENSOR_TYPES: Mapping[str, tuple[str, TextForm | None]] = MappingProxyType(
    {
        "bool": ("TYPE_BOOL", None),
        "uint8": ("TYPE_UINT8", None),
        "uint16": ("TYPE_UINT16", None),
        "uint32": ("TYPE_UINT32", None),
        "uint64": ("TYPE_UINT64", None),
        "int8": ("TYPE_INT8", None),
        "int16": ("TYPE_INT16", None),
        "int32": ("TYPE_INT32", None),
        "int64": ("TYPE_INT64", None),
        "float16": ("TYPE_FP16", None),
        "float32": ("TYPE_FP32", None),
        "float64": ("TYPE_FP64", None),
        "str": ("TYPE_STRING", TextForm.TEXT),
        "bytes": ("TYPE_STRING", None),
        "object": ("TYPE_STRING", TextForm.TEXT),
        "datetime64[ns]": ("TYPE_STRING", TextForm.DATETIME),
    }
)
_LOG_AGAIN = (
    "Log the model again with input_example=, or add a signature: mlflow.models.set_signature("
)
_INFERRED = "mlflow.models.infer_signature(inputs, model.predict(inputs))"


@dataclass(frozen=True, slots=True)
class ServedTensor:
    """One input or output.

    Attributes:
        name: its name; see `_name` for those that have none.
        data_type: Triton's, as in ``config.pbtxt``.
        shape: -1 for a size that may vary. Of a column it is ``(-1,)``: the rows.
        optional: whether it may be left out.
        form: what text in it means.
        named: whether the signature has a name for it.
        column: whether it is a column of a table.
    """

    name: str
    data_type: str
    shape: tuple[int, ...]
    optional: bool = False
    form: TextForm | None = None
    named: bool = True
    column: bool = False


@dataclass(frozen=True, slots=True)
class ServedSignature:
    """What a model takes and gives."""

    inputs: tuple[ServedTensor, ...]
    outputs: tuple[ServedTensor, ...]


def _logged(mlmodel: MLmodel) -> str:
    # MLflow takes no version of a registered model there.
    return f"models:/{mlmodel.model_id}" if mlmodel.model_id else "runs:/<run id>/<name>"


def read_signature(mlmodel: MLmodel) -> ServedSignature:
    """Return a model's signature as tensors.

    Raises:
        InvalidPackageError: it has none, none for its outputs, or one with a type that Triton has
            not. The message says what to do.
    """
    inputs = read_inputs(mlmodel)
    if not mlmodel.signature.get("outputs"):
        raise InvalidPackageError(
            "The model's signature does not say what it returns. "
            f'{_LOG_AGAIN}"{_logged(mlmodel)}", {_INFERRED}).'
        )
    return ServedSignature(inputs, _tensors(mlmodel, "outputs"))


def read_inputs(mlmodel: MLmodel) -> tuple[ServedTensor, ...]:
    """Return what a model's signature says that it takes.

    Raises:
        InvalidPackageError: as `read_signature`.
    """
    if not mlmodel.signature.get("inputs"):
        raise InvalidPackageError(
            "The model has no signature, so nobody knows what it takes. "
            f'{_LOG_AGAIN}"{_logged(mlmodel)}", {_INFERRED}).'
        )
    return _tensors(mlmodel, "inputs")


def named_tensors(mlmodel: MLmodel, side: str) -> tuple[ServedTensor, ...]:
    """Return the tensors of a signature, of ``inputs`` or ``outputs``; none unless all have names.

    Raises:
        InvalidPackageError: as `read_signature`.
    """
    if not mlmodel.signature.get(side):
        return ()
    tensors = _tensors(mlmodel, side)
    specs = json.loads(mlmodel.signature[side])
    named = all(spec["type"] == "tensor" and spec.get("name") is not None for spec in specs)
    return tensors if named else ()


def _tensors(mlmodel: MLmodel, side: str) -> tuple[ServedTensor, ...]:
    try:
        specs = json.loads(mlmodel.signature[side])
        return tuple(_tensor(spec, place, specs, side) for place, spec in enumerate(specs))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidPackageError(
            f"The {side} of the model's signature can't be read. "
            f'{_LOG_AGAIN}"{_logged(mlmodel)}", {_INFERRED}).'
        ) from error


def _tensor(
    spec: Mapping[str, Any], place: int, specs: Sequence[object], side: str
) -> ServedTensor:
    named = spec.get("name") is not None
    if spec["type"] == "tensor":
        inner = spec["tensor-spec"]
        name = _name(spec, side.removesuffix("s"))
        data_type, form = _typed(_TENSOR_TYPES, str(inner["dtype"]), name)
        shape = tuple(map(int, inner["shape"]))
        return ServedTensor(name, data_type, shape, form=form, named=named)
    alone = side == "outputs" and len(specs) == 1
    name = _name(spec, "output" if alone else str(place))
    data_type, form = _typed(_COLUMN_TYPES, str(spec["type"]), name)
    optional = not spec.get("required", True)
    return ServedTensor(name, data_type, (-1,), optional, form, named, column=True)


def _name(spec: Mapping[str, Any], otherwise: str) -> str:
    """Return a tensor's name.

    One tensor may have none: it is called ``input`` or ``output``, as a single output column is.
    Columns without names have their places, from 0, as in a DataFrame.
    """
    name = spec.get("name")
    return otherwise if name is None else str(name)


def _typed(
    known: Mapping[str, tuple[str, TextForm | None]], name: str, tensor: str
) -> tuple[str, TextForm | None]:
    if name not in known:
        raise InvalidPackageError(
            f"{tensor!r} has the type {name} in the model's signature, which Triton can't be "
            f"given. Log the model with another: {', '.join(known)}."
        )
    return known[name]
