"""Tables as users give them: each column the values of one input, each row one of a batch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of which it is known that the first dimension is the batch.

    Attributes:
        rows: an array, or a list of cells, which may be arrays or nested lists themselves.
    """

    rows: NDArray[Any] | Sequence[Any]


def is_of(raw: Any, module: str, *classes: str) -> bool:
    """Tell whether a value is of a library's class, without importing that library.

    Whoever has such a value has imported it.
    """
    loaded = sys.modules.get(module)
    kinds = tuple(getattr(loaded, name) for name in classes if hasattr(loaded, name))
    return isinstance(raw, kinds)


def table_of(raw: Any) -> dict[str, Column] | None:
    """Return a DataFrame's, a pyarrow table's or a record batch's columns; None for others.

    Raises:
        ValueError: two columns have the same name.
    """
    if is_of(raw, "pyarrow", "Table", "RecordBatch"):
        raw = raw.to_pandas()
    if not is_of(raw, "pandas", "DataFrame"):
        return None
    names = [str(name) for name in raw.columns]
    if len(set(names)) < len(names):
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the table has several columns {', '.join(map(repr, doubled))}")
    return {name: column_of(raw.iloc[:, place]) for place, name in enumerate(names)}


def column_of(series: Any) -> Column:
    """Return a pandas Series as a column; missing numbers are NaN."""
    kind = getattr(series.dtype, "kind", "O")
    if not isinstance(series.dtype, np.dtype) and kind in "iuf" and series.hasnans:
        return Column(series.to_numpy(dtype=object, na_value=float("nan")))
    values = series.to_numpy()
    if values.dtype != np.object_:
        return Column(values)
    return Column(_stacked(values))


def columns_of_rows(names: Sequence[Any], rows: Iterable[Sequence[Any]]) -> dict[str, Column]:
    """Return a table's columns, given its rows.

    Raises:
        ValueError: rows differ in length.
    """
    listed = list(rows)
    wrong = sorted({len(row) for row in listed} - {len(names)})
    if wrong:
        raise ValueError(f"there are {len(names)} columns, but rows of {wrong[0]} cells")
    return {str(name): Column([row[at] for row in listed]) for at, name in enumerate(names)}


def columns_of_records(records: Sequence[Mapping[Any, Any]]) -> dict[str, Column]:
    """Return a table's columns, given its rows as objects. A cell that is not there is None."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return columns_of_rows(names, ([record.get(name) for name in names] for record in records))


def matrix_of(columns: Mapping[str, Column]) -> Column | None:
    """Return columns of plain numbers side by side as one array; None where they are others."""
    arrays = []
    for column in columns.values():
        cells = column.rows
        if not isinstance(cells, np.ndarray):
            if any(isinstance(cell, list | tuple | str | bytes | Mapping) for cell in cells):
                return None
            cells = np.asarray([float("nan") if cell is None else cell for cell in cells])
        if cells.ndim != 1 or cells.dtype.kind not in "biuf":
            return None
        arrays.append(cells)
    return Column(np.stack(arrays, axis=1)) if arrays else None


def _stacked(cells: NDArray[Any]) -> NDArray[Any] | list[Any]:
    """Return cells that are arrays alike as one array: as lists they would take much longer."""
    kinds = {
        (cell.dtype, cell.shape) if isinstance(cell, np.ndarray) else None for cell in cells.flat
    }
    if len(kinds) == 1 and None not in kinds:
        return np.stack(list(cells))
    return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
