"""Predictions of more rows than a model takes at once: split, sent side by side, put together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlflow_triton.predict_inputs import Input
from triton_deploy_core.errors import DeployError, InvalidInputError

Infer: TypeAlias = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]

IN_FLIGHT = 8
"""How many requests are under way at once."""


def infer_in_batches(
    infer: Infer, inputs: Mapping[str, Input], *, batch_size: int
) -> dict[str, NDArray[Any]]:
    """Run a model on inputs of any number of rows and return its outputs, row by row.

    At any time no more than `IN_FLIGHT` requests and answers are in memory, beside the inputs
    and one array for each output. Once a request has failed, no further one is sent.

    Args:
        infer: runs one request; called from several threads.
        inputs: name → array, all of the same first dimension.
        batch_size: how many rows a request may have.

    Raises:
        DeployError: a request failed; the message says which rows.
        InvalidInputError: the outputs can't be put together.
    """
    rows = next(iter(inputs.values())).shape[0]
    work = _Work(infer, inputs, rows, batch_size)
    workers = min(IN_FLIGHT, -(-rows // batch_size))
    with ThreadPoolExecutor(workers, thread_name_prefix="predict") as pool:
        running = [pool.submit(work.run) for _ in range(workers)]
        try:
            for worker in running:
                worker.result()
        finally:
            work.stop()
    if work.failure is not None:
        raise work.failure
    return work.outputs


class _Work:
    """The batches that are left, and the outputs that came back."""

    def __init__(
        self, infer: Infer, inputs: Mapping[str, Input], rows: int, batch_size: int
    ) -> None:
        self._infer = infer
        self._inputs = inputs
        self._rows = rows
        self._batch_size = batch_size
        self._starts = iter(range(0, rows, batch_size))
        self._lock = threading.Lock()
        self._stopped = False
        self.outputs: dict[str, NDArray[Any]] = {}
        self.failure: DeployError | None = None

    def stop(self) -> None:
        """Let nobody begin another batch."""
        self._stopped = True

    def run(self) -> None:
        """Send one batch after another until none is left or one has failed."""
        while (start := self._next()) is not None:
            end = min(start + self._batch_size, self._rows)
            batch = {name: array[start:end] for name, array in self._inputs.items()}
            try:
                self._store(self._infer(batch), start, end)
            except DeployError as error:
                self._fail(error, start, end)
            except BaseException:
                self.stop()
                raise

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stopped else next(self._starts, None)

    def _fail(self, error: DeployError, start: int, end: int) -> None:
        with self._lock:
            self._stopped = True
            if self.failure is None:
                error.amend(f"This came of rows {start} to {end - 1} of {self._rows}.")
                self.failure = error

    def _store(self, answer: Mapping[str, NDArray[Any]], start: int, end: int) -> None:
        if not self.outputs:
            with self._lock:
                if not self.outputs:
                    self.outputs = {
                        name: np.empty((self._rows, *array.shape[1:]), array.dtype)
                        for name, array in answer.items()
                    }
        if answer.keys() != self.outputs.keys():
            raise InvalidInputError("The model's answers differ in what outputs they have.")
        for name, array in answer.items():
            whole = self.outputs[name]
            if array.shape != (end - start, *whole.shape[1:]) or array.dtype != whole.dtype:
                raise InvalidInputError(
                    f"The answers to {self._rows} rows can't be put together: output '{name}' is "
                    f"{list(whole[:1].shape[1:])} a row in one and has the shape "
                    f"{list(array.shape)} for {end - start} rows in another. "
                    f"Send at most {self._batch_size} rows at once."
                )
            whole[start:end] = array
