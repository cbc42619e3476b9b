from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mlflow_triton.exceptions import TritonDeploymentError
from mlflow_triton.predict_outputs import to_frame

OUTPUTS = {
    "OUTPUT0": np.array([[1, 2], [3, 4]], np.int32),
    "OUTPUT1": np.array([[0.1, np.nan], [np.inf, -0.0]], np.float32),
    "TEXT": np.array(["ä".encode(), b"\xff\0"], dtype=object),
}
DOCUMENT = {
    "outputs": {
        "OUTPUT0": [[1, 2], [3, 4]],
        "OUTPUT1": [[0.1, None], [None, -0.0]],
        "TEXT": ["ä", "/wA="],
    }
}


def test_cells_are_the_very_arrays() -> None:
    frame = to_frame(OUTPUTS)

    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["outputs"]
    assert list(frame.index) == list(OUTPUTS)
    for name, array in OUTPUTS.items():
        assert frame.loc[name, "outputs"] is array
        assert frame["outputs"][name] is array


def test_json_as_the_command_line_prints_it() -> None:
    text = to_frame(OUTPUTS).to_json()

    assert json.loads(text) == DOCUMENT
    assert to_frame({"OUTPUT0": OUTPUTS["OUTPUT0"]}).to_json() == (
        '{"outputs":{"OUTPUT0":[[1,2],[3,4]]}}'
    )


def test_json_as_the_command_line_writes_it(tmp_path) -> None:
    path = tmp_path / "output.json"

    assert to_frame(OUTPUTS).to_json(str(path)) is None
    assert json.loads(path.read_text()) == DOCUMENT


def test_json_into_an_open_file() -> None:
    buffer = io.StringIO()

    to_frame(OUTPUTS).to_json(buffer)

    assert json.loads(buffer.getvalue()) == DOCUMENT


def test_the_options_of_pandas() -> None:
    assert json.loads(to_frame(OUTPUTS).to_json(orient="index", double_precision=3)) == {
        name: {"outputs": value} for name, value in DOCUMENT["outputs"].items()
    }
    assert json.loads(to_frame(OUTPUTS).to_json(orient="records"))[0] == {
        "outputs": [[1, 2], [3, 4]]
    }


def test_selections_still_write_themselves() -> None:
    assert json.loads(to_frame(OUTPUTS).loc[["TEXT"]].to_json()) == {
        "outputs": {"TEXT": ["ä", "/wA="]}
    }


@pytest.mark.parametrize(
    ("array", "jsonable"),
    [
        (np.array(5, np.int64), 5),
        (np.array(0.1, np.float32), 0.1),
        (np.array([2**64 - 1], np.uint64), [2**64 - 1]),
        (np.array([True]), [True]),
        (np.array([0.1], np.float16), [0.1]),
        (np.array([1 / 3]), [1 / 3]),
        (np.array(["a"]), ["a"]),
        (np.array([b"a"]), ["a"]),
        (np.empty((0, 3), np.float32), []),
        (np.empty((2, 0), np.float32), [[], []]),
        (np.array([["x"]], dtype=object), [["x"]]),
    ],
)
def test_every_kind(array: np.ndarray, jsonable: object) -> None:
    assert json.loads(to_frame({"y": array}).to_json()) == {"outputs": {"y": jsonable}}


def test_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0.1, 2.5, np.nan], ml_dtypes.bfloat16)

    number, *others = json.loads(to_frame({"y": array}).to_json())["outputs"]["y"]

    assert np.array([number], ml_dtypes.bfloat16)[0] == array[0]
    assert others == [2.5, None]


def test_no_outputs() -> None:
    assert to_frame({}).to_json() == '{"outputs":{}}'


def test_pandas_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, mlflow_triton.predict_inputs, mlflow_triton.predict_outputs;"
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_path_that_can_not_be_written_is_one_line(tmp_path) -> None:
    with pytest.raises(TritonDeploymentError, match=r"written to .*: No such") as caught:
        to_frame(OUTPUTS).to_json(tmp_path / "nowhere" / "out.json")
    assert "\n" not in str(caught.value)


def test_dates_and_documents_as_json() -> None:
    documents = np.empty(2, dtype=object)
    documents[:] = [{"a": [1, float("nan"), b"x"]}, None]
    frame = to_frame({"when": np.array(["2024-02-29", "NaT"], "M8[ns]"), "what": documents})

    assert json.loads(frame.to_json()) == {
        "outputs": {
            "when": ["2024-02-29T00:00:00.000000000", None],
            "what": [{"a": [1, None, "x"]}, None],
        }
    }
