from __future__ import annotations

import numpy as np
import pytest

from mlflow_triton.predict_batches import infer_in_batches
from triton_deploy_core.errors import InvalidInputError, RequestRefusedError

ROWS = np.arange(203, dtype=np.float32).reshape(-1, 1)
TEXT = np.array([str(row).encode() for row in range(203)], dtype=object)


def test_the_rows_come_back_in_order():
    sizes = []

    def infer_many(batches):
        for batch in batches:
            sizes.append(len(batch["x"]))
            yield {"y": batch["x"] * 2, "text": batch["text"]}

    outputs = infer_in_batches(infer_many, {"x": ROWS, "text": TEXT}, batch_size=10)

    assert np.array_equal(outputs["y"], ROWS * 2)
    assert outputs["y"].dtype == np.float32
    assert outputs["text"].tolist() == TEXT.tolist()
    assert sizes == [10] * 20 + [3]


def test_a_failure_cancels_the_rest_and_says_which_rows():
    closed = []

    def infer_many(batches):
        try:
            for batch in batches:
                if batch["x"][0, 0] == 200:
                    raise RequestRefusedError("the model failed", reason="it did")
                yield {"y": batch["x"]}
        finally:
            closed.append(True)

    with pytest.raises(
        RequestRefusedError, match=r"failed\. This came of rows 200 to 202 of 203\.$"
    ):
        infer_in_batches(infer_many, {"x": ROWS}, batch_size=10)

    assert closed


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: {"y": np.zeros((len(rows), int(rows[0, 0]) + 1))},
        lambda rows: {"y": np.zeros((1, 1))},
        lambda rows: {str(rows[0, 0]): rows},
    ],
)
def test_answers_that_do_not_go_together(answer):
    with pytest.raises(InvalidInputError, match=r"answers .* This came of rows"):
        infer_in_batches(
            lambda batches: (answer(batch["x"]) for batch in batches), {"x": ROWS}, batch_size=10
        )
