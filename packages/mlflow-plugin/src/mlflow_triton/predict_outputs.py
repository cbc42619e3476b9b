"""What a model answers, as ``predict`` returns it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_COLUMN = "outputs"


def to_frame(outputs: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Return outputs as a DataFrame: one column ``outputs``, a row an output.

    Args:
        outputs: name → array.

    Returns:
        A DataFrame with the outputs' names as its index and the very arrays as its cells, as
        NVIDIA's plugin returns it. Its ``to_json()`` is ``{"outputs": {name: nested lists}}``.
    """
    # A second to import, and only predict needs it.
    from mlflow_triton.tensors_frame import TensorFrame  # noqa: PLC0415

    return TensorFrame.of_cells(_COLUMN, outputs)
