"""Tensors as JSON, readable by anyone and without loss where JSON allows it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_jsonable(value: Any) -> Any:
    """Return an array or scalar as nested lists of what JSON has.

    Floating point numbers come out with few digits, yet enough that they give the same number
    back in their own type: 0.1 for an FP32 0.1. NaN and infinities become None, as pandas writes
    them. Bytes become text where they are UTF-8, else base64; dates ISO 8601.
    """
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return _array(np.asarray(value))
    return _element(value)


def _array(array: NDArray[Any]) -> Any:
    kind = array.dtype.kind
    if kind in "biu":
        return array.tolist()
    if kind == "M":
        texts = np.datetime_as_string(array).astype(np.object_)
        return _nested(texts, lambda text: None if text == "NaT" else text)
    if kind == "f" or array.dtype.name == "bfloat16":
        return _floats(array)
    return _nested(array.astype(np.object_), _document)


def _floats(array: NDArray[Any]) -> Any:
    finite = np.isfinite(array)
    if array.dtype == np.float64 and bool(finite.all()):
        return array.tolist()
    shortest = np.empty(array.size, dtype=np.object_)
    shortest[:] = [
        float(str(item)) if is_finite else None
        for item, is_finite in zip(array.ravel(), finite.ravel(), strict=True)
    ]
    return shortest.reshape(array.shape).tolist()


def _nested(array: NDArray[np.object_], convert: Any) -> Any:
    converted = np.empty(array.size, dtype=np.object_)
    for place, item in enumerate(array.ravel().tolist()):
        converted[place] = convert(item)
    return converted.reshape(array.shape).tolist()


def _element(item: Any) -> Any:
    if isinstance(item, bytes):
        try:
            return item.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(item).decode("ascii")
    if isinstance(item, float):
        return item if np.isfinite(item) else None
    if isinstance(item, np.ndarray | np.generic):
        return to_jsonable(item)
    return item


def _document(item: Any) -> Any:
    """Return what a JSON document held, or a single element, as what JSON has."""
    if isinstance(item, list):
        return [_document(each) for each in item]
    if isinstance(item, dict):
        return {key: _document(each) for key, each in item.items()}
    return _element(item)
