"""Whether a shape fits what a model takes, and the batch dimension that users leave out."""

from __future__ import annotations

from collections.abc import Sequence

ANY_SIZE = -1


def fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Tell whether a shape is what is wanted, where -1 takes any size."""
    return len(shape) == len(wanted) and all(
        size in (have, ANY_SIZE) for have, size in zip(shape, wanted, strict=True)
    )


def lacks_batch_dimension(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Tell whether a leading dimension of one is exactly what a shape lacks.

    It can be added where the model takes any size, or one, as its first dimension, and the
    shape fits the others.
    """
    return bool(wanted) and wanted[0] in (ANY_SIZE, 1) and fits(shape, wanted[1:])
