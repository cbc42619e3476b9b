"""Whether a shape fits what a model takes, and the dimensions that users leave out."""

from __future__ import annotations

from collections.abc import Sequence

ANY_SIZE = -1


def fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Tell whether a shape is what is wanted, where -1 takes any size."""
    return len(shape) == len(wanted) and all(
        size in (have, ANY_SIZE) for have, size in zip(shape, wanted, strict=True)
    )


def with_batch_dimension(shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...] | None:
    """Return a shape with the leading dimension of one that is exactly what it lacks, or None.

    It can be added where the model takes any size, or one, as its first dimension, and the
    shape fits the others. A scalar is also a tensor of one element.
    """
    if not shape and wanted and all(size in (ANY_SIZE, 1) for size in wanted):
        return (1,) * len(wanted)
    if wanted and wanted[0] in (ANY_SIZE, 1) and fits(shape, wanted[1:]):
        return (1, *shape)
    return None


def with_cells(shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...] | None:
    """Return the shape that a table's column of this shape has for a model, or None.

    Single values are tensors of one element, and one row may stand for all that a model without
    batches takes.
    """
    rows, cell = shape[0], tuple(shape[1:])
    padded = (rows, *(1,) * (len(wanted) - 1))
    if not cell and fits(padded, wanted):
        return padded
    return cell if rows == 1 and fits(cell, wanted) else None
