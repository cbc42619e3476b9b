"""Predictions of more rows than a model takes at once: split, sent side by side, put together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_inputs import Input
from triton_deploy_core.errors import DeployError, InvalidInputError

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
InferMany: TypeAlias = Callable[[Iterable[Arrays]], Generator[Arrays, None, None]]


def infer_in_batches(
    infer_many: InferMany, inputs: Mapping[str, Input], *, batch_size: int
) -> dict[str, NDArray[Any]]:
    """Run a model on inputs of any number of rows and return its outputs, row by row.

    Beside the inputs and one array for each output, no more is in memory than the requests and
    answers that are under way. Once a request has failed, the others are cancelled.

    Args:
        infer_many: see `InferenceServer.infer_many`.
        inputs: name → array, all of the same first dimension, at least one.
        batch_size: how many rows a request may have.

    Raises:
        DeployError: a request failed; the message says which rows.
        InvalidInputError: the outputs can't be put together.
    """
    rows = next(iter(inputs.values())).shape[0]
    outputs: dict[str, NDArray[Any]] = {}
    start = 0
    with closing(infer_many(_batches(inputs, rows, batch_size))) as answers:
        try:
            for answer in answers:
                if not outputs:
                    outputs = {
                        name: np.empty((rows, *array.shape[1:]), array.dtype)
                        for name, array in answer.items()
                    }
                end = min(start + batch_size, rows)
                _store(answer, outputs, start, end)
                start = end
        except DeployError as error:
            end = min(start + batch_size, rows)
            error.amend(f"This came of rows {start} to {end - 1} of {rows}.")
            raise
    return outputs


def _batches(inputs: Mapping[str, Input], rows: int, batch_size: int) -> Iterator[Arrays]:
    for start in range(0, rows, batch_size):
        yield {name: array[start : start + batch_size] for name, array in inputs.items()}


def _store(answer: Arrays, outputs: Arrays, start: int, end: int) -> None:
    if answer.keys() != outputs.keys():
        raise InvalidInputError(
            "The model's answers can't be put together: they differ in what outputs they have "
            f"({', '.join(outputs)}; {', '.join(answer)}). Send at most as many rows at once as "
            "the model takes."
        )
    for name, array in answer.items():
        whole = outputs[name]
        if array.shape != (end - start, *whole.shape[1:]) or array.dtype != whole.dtype:
            raise InvalidInputError(
                f"The model's answers can't be put together: output '{name}' has the shape "
                f"{list(array.shape)} for {end - start} rows, but {list(whole.shape[1:])} for each "
                f"row before. Send at most as many rows at once as the model takes."
            )
        whole[start:end] = array
