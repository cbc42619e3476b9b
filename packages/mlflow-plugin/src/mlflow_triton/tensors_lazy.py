"""Large arrays of another data type than the model's: converted a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.tensors_values import dtype_of, to_datatype

_LARGE_BYTES = 64 << 20
_BLOCK_BYTES = 4 << 20


class LazyRows:
    """An array whose rows are converted when they are asked for: it is never there twice.

    `shape` is that of the whole.
    """

    __slots__ = ("_datatype", "_source", "shape")

    def __init__(self, source: NDArray[Any], datatype: str) -> None:
        self._source = source
        self._datatype = datatype
        self.shape: tuple[int, ...] = source.shape

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows, converted.

        Raises:
            ValueProblemError: they do not fit the data type.
        """
        return to_datatype(self._source[rows], self._datatype)

    def reshape(self, shape: tuple[int, ...]) -> LazyRows:
        """Return the same elements in another shape."""
        return LazyRows(self._source.reshape(shape), self._datatype)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Return all rows, some MiB at a time."""
        row_bytes = max(1, self._source.nbytes // len(self._source))
        step = max(1, _BLOCK_BYTES // row_bytes)
        for start in range(0, len(self._source), step):
            yield self[start : start + step]


def converted(value: Any, datatype: str) -> NDArray[Any] | LazyRows:
    """Return a value as an array of a data type, see `to_datatype`; a large one lazily.

    Raises:
        ValueProblemError: it does not fit, in the last row or the first.
    """
    if not isinstance(value, np.ndarray) or value.nbytes < _LARGE_BYTES or not value.ndim:
        return to_datatype(value, datatype)
    same = datatype != "BYTES" and value.dtype == dtype_of(datatype)
    if same or isinstance(value, np.ma.MaskedArray):
        return to_datatype(value, datatype)
    rows = LazyRows(value, datatype)
    for _ in rows.blocks():
        pass
    return rows
