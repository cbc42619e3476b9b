"""What users give to ``predict``, to the arrays that a model takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.tensors_shapes import fits, lacks_batch_dimension
from mlflow_triton.tensors_values import ValueProblemError, to_datatype
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.server import ModelMetadata, TensorSpec

_COLUMN = "inputs"
_SHOWN = 3


def to_inputs(
    raw: Any, metadata: ModelMetadata, *, max_batch_size: int = 0
) -> dict[str, NDArray[Any]]:
    """Return the inputs of one request, name → array, as the model takes them.

    Args:
        raw: one of

            - a mapping: input name → array, (nested) list or scalar;
            - the DataFrame that the command line makes of ``{"inputs": {"INPUT0": [[…]]}}``: one
              column ``inputs``, a row an input; or that JSON object itself;
            - a DataFrame with one column per input, whose rows are the batch;
            - for a model with one input, its value alone.
        metadata: what the model takes.
        max_batch_size: as the model's configuration has it; above zero, all inputs have the
            same first dimension, and no more than this.

    Returns:
        Arrays in the model's own dtypes and shapes. A batch dimension of one is added to an input
        that lacks exactly that. Values are converted where that loses nothing: see
        `tensors_values`.

    Raises:
        InvalidInputError: inputs are missing, unknown, misshapen or of the wrong type. The message
            lists every problem.
    """
    given = _by_name(raw, metadata)
    specs = {spec.name: spec for spec in metadata.inputs}
    problems = _unknown([name for name in given if name not in specs])
    arrays: dict[str, NDArray[Any]] = {}
    for name, spec in specs.items():
        if name not in given:
            problems.append(f"input '{name}' is missing: the model takes {_takes(spec)}")
            continue
        try:
            arrays[name] = _to_array(given[name], spec)
        except ValueProblemError as error:
            problems.append(
                f"input '{name}' was given {_given(given[name])}, the model takes {_takes(spec)}: "
                f"{error}"
            )
    problems += _batch_problems(arrays, max_batch_size)
    if problems:
        expected = ", ".join(f"'{spec.name}' {_takes(spec)}" for spec in metadata.inputs)
        raise InvalidInputError(
            f"The inputs do not fit model '{metadata.name}': {'; '.join(problems)}. "
            f"It takes: {expected or 'no inputs'}, as "
            f'{{"inputs": {{{", ".join(_shape_of_json(spec) for spec in metadata.inputs)}}}}}.'
        )
    return arrays


def _unknown(names: list[str]) -> list[str]:
    problems = [f"input {name!r} is unknown" for name in names[:_SHOWN]]
    more = len(names) - _SHOWN
    return [*problems, f"so are {more} more"] if more > 0 else problems


def _shape_of_json(spec: TensorSpec) -> str:
    depth = len(spec.shape)
    return f'"{spec.name}": {"[" * depth}…{"]" * depth}'


def _by_name(raw: Any, metadata: ModelMetadata) -> dict[str, Any]:
    names = {spec.name for spec in metadata.inputs}
    if _is_frame(raw):
        return _from_frame(raw, names)
    if isinstance(raw, Mapping):
        wrapped = raw.get(_COLUMN)
        if set(raw) == {_COLUMN} and _COLUMN not in names and isinstance(wrapped, Mapping):
            raw = wrapped
        return {str(name): value for name, value in raw.items()}
    if len(metadata.inputs) == 1:
        return {metadata.inputs[0].name: raw}
    expected = ", ".join(f"'{spec.name}' {_takes(spec)}" for spec in metadata.inputs)
    raise InvalidInputError(
        f"Model '{metadata.name}' takes {len(metadata.inputs)} inputs, so they must be given by "
        f"name, as a mapping or a DataFrame, not as {_given(raw)}. It takes: "
        f"{expected or 'no inputs'}."
    )


def _from_frame(frame: Any, names: set[str]) -> dict[str, Any]:
    labels = {str(label) for label in frame.index}
    columns = [str(column) for column in frame.columns]
    is_command_line = columns == [_COLUMN] and (_COLUMN not in names or labels == names)
    if is_command_line:
        column = frame.iloc[:, 0]
        return {str(label): column.iloc[row] for row, label in enumerate(frame.index)}
    return {name: _rows(frame.iloc[:, place]) for place, name in enumerate(columns)}


def _rows(column: Any) -> Any:
    """Return a DataFrame's column as one value whose first dimension is the rows."""
    values = column.to_numpy()
    if values.dtype == np.object_:
        return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return values


def _to_array(value: Any, spec: TensorSpec) -> NDArray[Any]:
    array = to_datatype(value.to_numpy() if _is_series(value) else value, spec.datatype)
    if fits(array.shape, spec.shape):
        return array
    if lacks_batch_dimension(array.shape, spec.shape):
        return array[np.newaxis]
    raise ValueProblemError("the shape does not fit")


def _batch_problems(arrays: Mapping[str, NDArray[Any]], max_batch_size: int) -> list[str]:
    if max_batch_size <= 0:
        return []
    sizes = {name: array.shape[0] for name, array in arrays.items() if array.ndim}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        return [f"the inputs differ in batch size: {listed}"]
    largest = max(sizes.values(), default=0)
    if largest > max_batch_size:
        return [f"the batch size is {largest}, the model takes at most {max_batch_size}"]
    return []


def _takes(spec: TensorSpec) -> str:
    return f"{spec.datatype} {list(spec.shape)}"


def _given(value: Any) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{dtype} {list(shape)}"
    if isinstance(value, list | tuple):
        return f"a list of shape {_list_shape(value)}"
    return f"a value of type {type(value).__name__}"


def _list_shape(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _is_frame(raw: Any) -> bool:
    pandas = sys.modules.get("pandas")  # whoever has a DataFrame has imported it
    return pandas is not None and isinstance(raw, pandas.DataFrame)


def _is_series(raw: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(raw, pandas.Series)
