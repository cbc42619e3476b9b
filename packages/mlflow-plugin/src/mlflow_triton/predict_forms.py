"""The forms in which users give inputs, each brought to values by the inputs' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_triton.predict_columns import (
    Column,
    columns_of_records,
    columns_of_rows,
    matrix_of,
    table_of,
)
from mlflow_triton.predict_document import Document
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.predict_wording import all_inputs, given_as
from triton_deploy_core.errors import InvalidInputError

_MATRIX_DIMENSIONS = 2


def by_name(raw: Any, signature: ModelSignature) -> dict[str, Any]:
    """Return what was given for each input, not yet converted or checked.

    Args:
        raw: one of

            - a mapping: input name → array, (nested) list or scalar;
            - a document, see `predict_document`;
            - a DataFrame or a pyarrow table with one column per input, whose rows are the batch;
            - for a model with one input, its value alone: an array, a list, a Series, a scipy
              sparse matrix, or a DataFrame whose columns are those of a matrix.
        signature: what the model takes.

    Raises:
        InvalidInputError: the form can't be understood.
    """
    document = Document.of(raw, signature.input_names)
    if document is not None:
        return _from_document(document, signature)
    if isinstance(raw, Mapping):
        return {str(name): value for name, value in raw.items()}
    table = _checked(table_of, raw)
    return _alone(raw, signature) if table is None else _from_columns(table, signature)


def _from_document(document: Document, signature: ModelSignature) -> dict[str, Any]:
    key, value = document.key, document.value
    if key == "dataframe_split":
        if not isinstance(value, Mapping) or not {"columns", "data"} <= set(value):
            raise InvalidInputError('dataframe_split has to be {"columns": […], "data": [[…], …]}.')
        columns = _checked(columns_of_rows, value["columns"], value["data"])
        return _from_columns(columns, signature)
    records = isinstance(value, list) and all(isinstance(row, Mapping) for row in value)
    if key == "dataframe_records" and not records:
        raise InvalidInputError('dataframe_records has to be [{"column": …}, …], a row an object.')
    if records and value and key != "inputs":
        return _from_columns(columns_of_records(value), signature)
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    return _alone(value, signature)


def _from_columns(columns: dict[str, Column], signature: ModelSignature) -> dict[str, Any]:
    if len(signature.inputs) == 1 and signature.inputs[0].name not in columns:
        # As MLflow does for a model that was logged with one input and a DataFrame of features.
        columns = _features(columns, signature)
        shape = signature.inputs[0].shape
        if len(shape) == _MATRIX_DIMENSIONS and shape[1] in (-1, len(columns)):
            matrix = matrix_of(columns)
            if matrix is not None:
                return {signature.inputs[0].name: matrix}
    return dict(columns)


def _features(columns: dict[str, Column], signature: ModelSignature) -> dict[str, Column]:
    """Return the columns that the model has names for, in its order.

    A table whose columns are but numbered, as pandas does it, is a matrix: they are in order.
    """
    missing = [name for name in signature.feature_names if name not in columns]
    if missing and [str(name) for name in columns] == [str(n) for n in range(len(columns))]:
        return columns
    if not signature.feature_names:
        return columns
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise InvalidInputError(
            f"The table has no column {missing[0]!r}{more}. Model '{signature.name}' takes the "
            f"columns {', '.join(map(repr, signature.feature_names))}."
        )
    return {name: columns[name] for name in signature.feature_names}


def _alone(raw: Any, signature: ModelSignature) -> dict[str, Any]:
    if len(signature.inputs) == 1:
        return {signature.inputs[0].name: raw}
    raise InvalidInputError(
        f"Model '{signature.name}' takes {len(signature.inputs)} inputs, so they must be given by "
        f"name, as a mapping or a DataFrame, not as {given_as(raw)}. It takes: "
        f"{all_inputs(signature)}."
    )


def _checked(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"The inputs can't be read: {error}.") from error
