"""Values that stand as text in BYTES tensors: dates, lists and objects, text that may be missing.

`text_forms` says which tensors do. In Python nobody has to know: what ``predict`` is given and what
it returns are the values themselves.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_columns import Column
from mlflow_triton.tensors_values import ValueProblemError
from mlflow_triton.text_forms import MISSING_TEXT, TextForm

_NO_DATE = "NaT"


def to_text(value: Any, form: TextForm) -> Any:
    """Return a value as the text, or array or column of texts, that stands for it.

    Args:
        value: an array, a (nested) list, a scalar or a `Column`. Text and bytes are taken to be in
            the form already, except that in JSON text is a value like any other.
        form: of the input.

    Raises:
        ValueProblemError: it can't be written in that form.
    """
    is_column = isinstance(value, Column)
    rows = value.rows if is_column else value
    if form is TextForm.JSON:
        cells = rows if isinstance(rows, list | tuple | np.ndarray) else [rows]
        return Column([_json(cell) for cell in cells])
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "M":
        texts = np.datetime_as_string(rows.astype("datetime64[ns]")).astype(np.object_)
    else:
        texts = _each(rows, _text if form is TextForm.TEXT else _date)
    return Column(texts) if is_column else texts


def from_text(texts: NDArray[Any], form: TextForm) -> NDArray[Any]:
    """Return the values that an output's texts stand for, in the same shape.

    Text is `str`, None where it is missing; dates are ``datetime64[ns]``; of JSON each element is
    what its document holds.
    """
    if form is TextForm.DATETIME:
        return _each(texts, bytes.decode).astype("datetime64[ns]")
    return _each(texts, json.loads if form is TextForm.JSON else _text_or_nothing)


def _each(values: Any, convert: Callable[[Any], Any]) -> NDArray[np.object_]:
    try:
        array = np.asarray(values, dtype=np.object_)
    except ValueError as error:
        raise ValueProblemError("its rows differ in length or depth") from error
    converted = np.empty(array.size, dtype=np.object_)
    for place, item in enumerate(array.ravel().tolist()):
        converted[place] = convert(item)
    return converted.reshape(array.shape)


def _is_missing(item: Any) -> bool:
    """Tell whether it is None, NaN, or what pandas has for either (`NA`, `NaT`)."""
    if item is None or type(item).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(item, float | np.datetime64) and bool(item != item)  # noqa: PLR0124


def _text(item: Any) -> Any:
    return MISSING_TEXT if _is_missing(item) else item


def _text_or_nothing(item: bytes) -> str | None:
    return None if item == MISSING_TEXT else item.decode("utf-8")


def _date(item: Any) -> Any:
    if _is_missing(item):
        return _NO_DATE
    if isinstance(item, np.datetime64):
        return str(np.datetime_as_string(item.astype("datetime64[ns]")))
    if not isinstance(item, dt.date):
        return item
    if getattr(item, "tzinfo", None) is not None:
        raise ValueProblemError(
            f"{item} has a time zone, and MLflow's dates have none: convert it first"
        )
    return item.isoformat()


def _json(cell: Any) -> bytes:
    if isinstance(cell, bytes):
        return cell
    try:
        return json.dumps(None if _is_missing(cell) else cell, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise ValueProblemError(f"it can't be written as JSON: {error}") from error


def _plain(item: Any) -> Any:
    for kind, convert in _PLAIN.items():
        if isinstance(item, kind):
            return convert(item)
    raise TypeError(f"{type(item).__name__} has no form in JSON")


_PLAIN: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {
        np.datetime64: str,
        np.ndarray: np.ndarray.tolist,
        np.generic: lambda item: item.item(),
        bytes: lambda item: base64.b64encode(item).decode("ascii"),
        dt.date: lambda item: item.isoformat(),
    }
)
