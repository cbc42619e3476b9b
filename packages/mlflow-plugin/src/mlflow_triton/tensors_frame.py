"""The DataFrame that ``predict`` returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_triton.exceptions import as_mlflow_errors
from mlflow_triton.tensors_json import to_jsonable
from triton_deploy_core.errors import InvalidSettingError


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        with as_mlflow_errors():
            raise InvalidSettingError(
                f"The outputs can't be written to {path}: {error.strerror}. Give another path."
            ) from error


@lru_cache(maxsize=256)
def _index(labels: tuple[str, ...]) -> pd.Index:
    return pd.Index(labels, dtype=object)


class TensorFrame(pd.DataFrame):  # type: ignore[misc] # pandas is untyped here
    """A DataFrame whose cells are arrays, and which knows how to write those as JSON.

    In Python each cell is the array itself, without loss. ``mlflow deployments predict`` prints
    ``to_json()`` or writes ``to_json(path)``; pandas would round floats to ten digits there,
    and fail on bytes.
    """

    @classmethod
    def of_cells(cls, column: str, rows: Mapping[str, Any]) -> TensorFrame:
        """Make a frame of one column, a row a name with its cell."""
        # A block of objects, with indexes that are there already, takes a tenth of the time that
        # a dictionary of columns does.
        cells = np.empty((len(rows), 1), dtype=np.object_)
        for row, cell in enumerate(rows.values()):
            cells[row, 0] = cell
        index, columns = _index(tuple(rows)), _index((column,))
        # A numpy dtype, since pandas takes longer to find out what `object` means.
        return cls(cells, index=index, columns=columns, dtype=cells.dtype, copy=False)

    @property
    def _constructor(self) -> Callable[..., TensorFrame]:
        return TensorFrame

    def to_json(self, path_or_buf: Any = None, **options: Any) -> Any:
        """Write as JSON, column → index → nested lists: see `tensors_json`.

        Args:
            path_or_buf: a path or an open file; None to return the text.
            options: those of pandas. With any, pandas writes what `tensors_json` made.
        """
        cells = {column: [to_jsonable(cell) for cell in self[column]] for column in self.columns}
        if options:
            plain = pd.DataFrame(index=self.index)
            for column, values in cells.items():
                plain[column] = pd.Series(values, index=self.index, dtype=object)
            return plain.to_json(path_or_buf, **options)
        labels = [str(label) for label in self.index]
        document = {
            str(column): dict(zip(labels, values, strict=True)) for column, values in cells.items()
        }
        text = json.dumps(document, allow_nan=False, separators=(",", ":"))
        if path_or_buf is None:
            return text
        if hasattr(path_or_buf, "write"):
            path_or_buf.write(text)
        else:
            _write(Path(path_or_buf), text)
        return None
