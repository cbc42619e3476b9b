"""Inputs as a JSON object: the command line's, and those of MLflow's own scoring server.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ (``dataframe_split``,
``dataframe_records``, ``instances``, ``inputs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_triton.predict_columns import is_of

DOCUMENT_KEYS = frozenset({"inputs", "instances", "dataframe_split", "dataframe_records"})


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON object: `key` says which form `value` has."""

    key: str
    value: Any

    @classmethod
    def of(cls, raw: Any, names: frozenset[str]) -> Document | None:
        """Recognise a document; None where it is something else.

        Args:
            raw: the JSON object, or the DataFrame that ``mlflow deployments predict`` makes of it.
            names: the model's inputs. One that is called like a key of a document is meant
                itself.
        """
        if not isinstance(raw, Mapping):
            return cls._of_frame(raw, names) if is_of(raw, "pandas", "DataFrame") else None
        if len(raw) != 1:
            return None
        ((key, value),) = raw.items()
        return cls(key, value) if key in DOCUMENT_KEYS and key not in names else None

    @classmethod
    def _of_frame(cls, frame: Any, names: frozenset[str]) -> Document | None:
        if len(frame.columns) != 1 or frame.columns[0] not in DOCUMENT_KEYS:
            return None
        key = str(frame.columns[0])
        column = frame.iloc[:, 0]
        labels = [str(label) for label in frame.index]
        if key in names and set(labels) != names:
            return None
        cells = [column.iloc[row] for row in range(len(column))]
        if key == "dataframe_split" or (key == "inputs" and _are_names(frame.index, names)):
            return cls(key, dict(zip(labels, cells, strict=True)))
        return cls(key, cells)


def _are_names(index: Any, names: frozenset[str]) -> bool:
    """Tell whether rows are named: pandas numbers those of a list, and turns "0" into 0 too."""
    is_list = getattr(index.dtype, "kind", "O") in "iu"
    return not is_list or any(str(label) in names for label in index)
