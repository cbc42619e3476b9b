from __future__ import annotations

import threading

import numpy as np
import pytest

from mlflow_triton.predict_batches import IN_FLIGHT, infer_in_batches
from triton_deploy_core.errors import InvalidInputError, RequestRefusedError

ROWS = np.arange(203, dtype=np.float32).reshape(-1, 1)
TEXT = np.array([str(row).encode() for row in range(203)], dtype=object)


def test_the_rows_come_back_in_order():
    sizes = []

    def infer(batch):
        sizes.append(len(batch["x"]))
        return {"y": batch["x"] * 2, "text": batch["text"]}

    outputs = infer_in_batches(infer, {"x": ROWS, "text": TEXT}, batch_size=10)

    assert np.array_equal(outputs["y"], ROWS * 2)
    assert outputs["y"].dtype == np.float32
    assert outputs["text"].tolist() == TEXT.tolist()
    assert sorted(sizes) == [3] + [10] * 20


def test_several_requests_are_under_way_and_no_more_than_that():
    together = threading.Barrier(IN_FLIGHT)
    lock = threading.Lock()
    now = most = 0

    def infer(batch):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(timeout=30)  # passes only where so many are under way
        with lock:
            now -= 1
        return {"y": batch["x"]}

    infer_in_batches(infer, {"x": ROWS[: IN_FLIGHT * 3]}, batch_size=1)

    assert most == IN_FLIGHT


def test_the_first_failure_cancels_the_rest_and_says_which_rows():
    sent = []

    def infer(batch):
        first = int(batch["x"][0, 0])
        sent.append(first)
        if first == 20:
            raise RequestRefusedError("the model failed", reason="it did")
        return {"y": batch["x"]}

    with pytest.raises(RequestRefusedError, match=r"failed\. This came of rows 20 to 29 of 203\.$"):
        infer_in_batches(infer, {"x": ROWS}, batch_size=10)

    assert len(sent) <= 3 + 2 * IN_FLIGHT


def test_errors_of_others_come_out_too():
    def infer(batch):
        raise KeyError("x")

    with pytest.raises(KeyError):
        infer_in_batches(infer, {"x": ROWS}, batch_size=10)


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: {"y": np.zeros((len(rows), int(rows[0, 0]) + 1))},
        lambda rows: {"y": np.zeros((1, 1))},
        lambda rows: {str(rows[0, 0]): rows},
    ],
)
def test_answers_that_do_not_go_together(answer):
    with pytest.raises(InvalidInputError, match=r"answers .*rows"):
        infer_in_batches(lambda batch: answer(batch["x"]), {"x": ROWS}, batch_size=10)
