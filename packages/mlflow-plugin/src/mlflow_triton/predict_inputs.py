"""What users give to ``predict``, to the arrays that a model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_columns import Column, column_of, is_of
from mlflow_triton.predict_forms import by_name
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.predict_text_forms import to_text
from mlflow_triton.predict_wording import all_inputs, given_as, json_shape, takes
from mlflow_triton.tensors_lazy import LazyRows, converted
from mlflow_triton.tensors_shapes import fits, with_batch_dimension, with_cells
from mlflow_triton.tensors_values import ValueProblemError
from mlflow_triton.text_forms import TextForm
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.model_server import TensorSpec

_SHOWN = 3

Input: TypeAlias = NDArray[Any] | LazyRows
"""An array, or a large one whose rows are converted as they are asked for."""


def to_inputs(raw: Any, signature: ModelSignature) -> dict[str, Input]:
    """Return the inputs of a prediction, name → array, as the model takes them.

    Args:
        raw: any of the forms of `predict_forms`.
        signature: what the model takes. Where it has a batch limit, all inputs have the same
            first dimension, which may exceed that limit.

    Returns:
        Arrays in the model's own dtypes and shapes. A batch dimension of one is added to an input
        that lacks exactly that. Values are converted where that loses nothing: see
        `tensors_values`. Optional inputs that were left out, or are None, are not there.

    Raises:
        InvalidInputError: inputs are missing, unknown, misshapen or of the wrong type. The message
            lists every problem.
    """
    given = by_name(raw, signature)
    names = signature.input_names
    problems = _unknown([name for name in given if name not in names])
    arrays: dict[str, Input] = {}
    for spec in signature.inputs:
        value = given.get(spec.name)
        if value is None and spec.name in signature.optional:
            continue
        if spec.name not in given:
            problems.append(f"input '{spec.name}' is missing: the model takes {takes(spec)}")
            continue
        try:
            arrays[spec.name] = _to_array(value, spec, signature.input_forms.get(spec.name))
        except ValueProblemError as error:
            problems.append(
                f"input '{spec.name}' was given {given_as(value)}, the model takes "
                f"{takes(spec)}: {error}"
            )
    if signature.inputs and not arrays and not problems:
        problems.append("no input is given")
    problems += _batch_problems(arrays, signature)
    if problems:
        raise InvalidInputError(
            f"The inputs do not fit model '{signature.name}': {'; '.join(problems)}. "
            f"It takes: {all_inputs(signature)}, as "
            f'{{"inputs": {{{", ".join(json_shape(spec) for spec in signature.inputs)}}}}}.'
        )
    return arrays


def _unknown(names: list[str]) -> list[str]:
    problems = [f"input {name!r} is unknown" for name in names[:_SHOWN]]
    more = len(names) - _SHOWN
    return [*problems, f"so are {more} more"] if more > 0 else problems


def _to_array(value: Any, spec: TensorSpec, form: TextForm | None) -> Input:
    if type(value) is not np.ndarray:
        value = _plain(value)
    if form is not None:
        value = to_text(value, form)
    is_column = isinstance(value, Column)
    array = converted(value.rows if is_column else value, spec.datatype)
    if fits(array.shape, spec.shape):
        return array
    shape = (with_cells if is_column else with_batch_dimension)(array.shape, spec.shape)
    if shape is None:
        raise ValueProblemError("the shape does not fit")
    return array.reshape(shape)


def _plain(value: Any) -> Any:
    """Return what other libraries hold values in as an array or a column."""
    if is_of(value, "pandas", "Series"):
        return column_of(value)
    if is_of(value, "pyarrow", "Array", "ChunkedArray"):
        return column_of(value.to_pandas())
    if is_of(value, "scipy.sparse", "spmatrix", "sparray"):
        return value.toarray()
    return value


def _batch_problems(arrays: Mapping[str, Input], signature: ModelSignature) -> list[str]:
    if signature.max_batch_size <= 0:
        return []
    sizes = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        return [f"the inputs differ in batch size: {listed}"]
    if 0 in sizes.values():
        return ["there are no rows"]
    return []
