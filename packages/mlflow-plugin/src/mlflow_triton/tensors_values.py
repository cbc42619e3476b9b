"""Values as users give them, to arrays of one of the protocol's data types, losing nothing.

What counts as losing nothing: a number stays the same number, but for the rounding that any
decimal undergoes in a shorter floating point type. So 2.0 fits an integer type and 1.5 does not;
300 does not fit INT8; 0.1 fits FP32, the integer 16777217 does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.datatypes import NUMPY_DTYPES

_EXACT_IN_FLOAT64 = 2**53
_BFLOAT16_DIGITS = 8


class ValueProblemError(ValueError):
    """A value does not fit a data type; the message says why, as part of a sentence."""


def to_datatype(value: Any, datatype: str) -> NDArray[Any]:
    """Return a value as an array of a data type of the protocol.

    Args:
        value: an array, a (nested) list or tuple, or a scalar.
        datatype: ``FP32``, ``BYTES``, …

    Returns:
        An array in the machine's own byte order, of the value's own shape. BYTES are an object
        array of `bytes`, text in UTF-8. In floating point types None becomes NaN, since
        JSON has no NaN and pandas writes it as null.

    Raises:
        ValueProblemError: it does not fit.
    """
    if isinstance(value, np.ma.MaskedArray):
        if bool(np.ma.is_masked(value)):
            raise ValueProblemError("masked elements have no value")
        value = value.data
    if datatype == "BYTES":
        return _to_bytes(value)
    dtype = dtype_of(datatype)
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        return value
    array = _numbers(value, dtype)
    if dtype.kind == "b":
        return _to_bool(array)
    if dtype.kind in "iu":
        return _to_integer(array, dtype)
    return _to_float(array, dtype)


def dtype_of(datatype: str) -> np.dtype[Any]:
    """Return the numpy dtype of a data type of the protocol.

    Raises:
        ValueProblemError: there is none.
    """
    if datatype == "BF16":
        try:
            import ml_dtypes  # noqa: PLC0415 - only BF16 models need it
        except ImportError as error:
            raise ValueProblemError("BF16 needs the package ml_dtypes: install it") from error
        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    if datatype not in NUMPY_DTYPES:
        raise ValueProblemError(f"the data type {datatype} is not known")
    return NUMPY_DTYPES[datatype]


def _array(value: Any, dtype: Any = None) -> NDArray[Any]:
    try:
        array = np.asarray(value, dtype=dtype)
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueProblemError("its rows differ in length or depth") from error
    if array.dtype.kind == "O" and any(
        isinstance(item, list | tuple | np.ndarray) for item in array.flat
    ):
        raise ValueProblemError("its rows differ in length or depth")
    return array


def _numbers(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers of a kind that still has every digit that was given."""
    array = _array(value)
    if dtype.kind in "iu" and (array.dtype.kind == "f" or array.dtype.name == "bfloat16"):
        array = array.astype(np.float64)  # shorter types can't be compared with the limits
    rounded = array.dtype == np.float64 and bool(np.any(np.abs(array) >= _EXACT_IN_FLOAT64))
    if dtype.kind in "iu" and rounded and not isinstance(value, np.ndarray):
        # numpy makes floats of a list with integers that no one integer type holds.
        array = _array(value, np.object_)
    if array.size == 0 and not isinstance(value, np.ndarray):
        return array.astype(dtype)
    if array.dtype.kind == "O":
        return _object_numbers(array, dtype)
    if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16":
        return array
    kind = "text" if array.dtype.kind in "US" else str(array.dtype)
    raise ValueProblemError(f"{kind} is not a number")


def _object_numbers(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    nothing = float("nan") if dtype.kind not in "biu" else None
    items = [nothing if item is None else item for item in array.ravel().tolist()]
    for item in items:
        if not isinstance(item, bool | int | float | np.number | np.bool_):
            raise ValueProblemError(f"{_shown(item)} is not a number")
    return _objects(items, array.shape)


def _to_bool(array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype.kind == "f" or not bool(np.all((array == 0) | (array == 1))):
        raise ValueProblemError("only true, false, 1 and 0 are booleans")
    return array.astype(np.bool_)


def _to_integer(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    for item in _suspects(array, limits):
        if item != item or item in (float("inf"), float("-inf")) or item != int(item):  # noqa: PLR0124
            raise ValueProblemError(f"{item} is not an integer")
        if not limits.min <= int(item) <= limits.max:
            raise ValueProblemError(f"{int(item)} is not between {limits.min} and {limits.max}")
    return array.astype(dtype)


def _suspects(array: NDArray[Any], limits: np.iinfo[Any]) -> list[Any]:
    """Return as Python numbers those elements that may not fit: usually none, and fast."""
    if array.dtype.kind == "O":
        return [getattr(item, "item", lambda item=item: item)() for item in array.flat]
    if array.dtype.kind == "b":
        return []
    with np.errstate(invalid="ignore"):
        # Compared as floats the limits of 64 bits round up, so equality is suspect too.
        fits = (array > limits.min) & (array < limits.max)
        if array.dtype.kind == "f":
            fits &= np.trunc(array) == array
    return list(array[~fits].ravel().tolist()) if array.ndim else [array.item()]


def _to_float(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        wide = array.astype(np.float64) if array.dtype.kind == "O" else array
        with np.errstate(over="ignore"):
            floats = wide.astype(dtype)
    except OverflowError as error:
        raise ValueProblemError("a number is too large") from error
    if dtype.itemsize < wide.dtype.itemsize or wide.dtype.kind in "iu":
        overflown = np.isinf(floats) & np.isfinite(wide)
        if bool(np.any(overflown)):
            item = np.asarray(wide)[overflown].ravel()[0]
            raise ValueProblemError(f"{item} is too large")
    if array.dtype.kind in "iu":
        _require_same_integers(array, floats)
    return floats


def _require_same_integers(array: NDArray[Any], floats: NDArray[Any]) -> None:
    """See that no integer was rounded, as those above 16777216 are in FP32."""
    digits = np.finfo(floats.dtype).nmant + 1 if floats.dtype.kind == "f" else _BFLOAT16_DIGITS
    if array.size == 0 or (array.max() <= 2**digits and array.min() >= -(2**digits)):
        return
    for item, same in zip(array.ravel().tolist(), floats.ravel().tolist(), strict=True):
        if int(same) != item:
            raise ValueProblemError(f"the integer {item} would become {same}")


def _to_bytes(value: Any) -> NDArray[np.object_]:
    array = _array(value, np.object_)
    return _objects([_bytes_of(item) for item in array.ravel().tolist()], array.shape)


def _bytes_of(item: object) -> bytes:
    if isinstance(item, bytes):
        return bytes(item)
    if not isinstance(item, str):
        raise ValueProblemError(f"{_shown(item)} is neither text nor bytes")
    try:
        return item.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueProblemError("text with lone surrogates is not UTF-8") from error


def _objects(items: list[Any], shape: tuple[int, ...]) -> NDArray[np.object_]:
    array = np.empty(len(items), dtype=np.object_)
    array[:] = items
    return array.reshape(shape)


def _shown(item: object, limit: int = 40) -> str:
    text = repr(item)
    return text if len(text) <= limit else text[:limit] + "…"
