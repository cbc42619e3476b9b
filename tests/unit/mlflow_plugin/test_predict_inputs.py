from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from mlflow_triton.predict_inputs import to_inputs
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.server import ModelMetadata, TensorSpec


def model(*specs: TensorSpec) -> ModelMetadata:
    return ModelMetadata("iris", (1,), "onnxruntime_onnx", specs, ())


TWO = model(TensorSpec("INPUT0", "FP32", (-1, 2)), TensorSpec("INPUT1", "INT32", (-1,)))
ONE = model(TensorSpec("x", "FP32", (-1, 2)))
TEXT = model(TensorSpec("text", "BYTES", (-1, 1)))


def command_line(document: object) -> pd.DataFrame:
    """What ``mlflow deployments predict`` makes of its input file."""
    return pd.read_json(io.StringIO(json.dumps(document)))


def equal(arrays: dict, expected: dict) -> bool:
    return list(arrays) == list(expected) and all(
        arrays[name].dtype == value.dtype and np.array_equal(arrays[name], value)
        for name, value in expected.items()
    )


EXPECTED = {
    "INPUT0": np.array([[1, 2], [3, 4.5]], np.float32),
    "INPUT1": np.array([7, 8], np.int32),
}


@pytest.mark.parametrize(
    "raw",
    [
        EXPECTED,
        {"INPUT1": np.array([7, 8]), "INPUT0": np.array([[1, 2], [3, 4.5]])},
        {"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7.0, 8.0]},
        {"INPUT0": ((1, 2), (3, 4.5)), "INPUT1": pd.Series([7, 8])},
        {"inputs": {"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7, 8]}},
        command_line({"inputs": {"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7, 8]}}),
        pd.DataFrame({"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7, 8]}),
        pd.DataFrame({"INPUT1": [7.0, 8.0], "INPUT0": [np.array([1, 2]), np.array([3, 4.5])]}),
        {"INPUT0": EXPECTED["INPUT0"].astype(">f8"), "INPUT1": EXPECTED["INPUT1"].astype(">i8")},
    ],
)
def test_every_form(raw: object) -> None:
    assert equal(to_inputs(raw, TWO), EXPECTED)


@pytest.mark.parametrize("raw", [[[1, 2]], [1, 2], np.array([1, 2]), {"x": [1, 2]}])
def test_one_input_alone_and_the_batch_dimension(raw: object) -> None:
    assert equal(to_inputs(raw, ONE), {"x": np.array([[1, 2]], np.float32)})


@pytest.mark.parametrize(
    "raw",
    [
        {"text": [["ä"]]},
        {"text": ["ä"]},
        {"text": np.array([["ä"]])},
        {"text": np.array([["ä".encode()]], dtype=object)},
        ["ä".encode()],
        pd.DataFrame({"text": [["ä"]]}),
        command_line({"inputs": {"text": [["ä"]]}}),
    ],
)
def test_text(raw: object) -> None:
    [array] = to_inputs(raw, TEXT).values()

    assert array.dtype == np.object_
    assert array.tolist() == [["ä".encode()]]


def test_bytes_keep_their_last_zero() -> None:
    [array] = to_inputs([[b"a\0"], [b""]], TEXT).values()

    assert array.tolist() == [[b"a\0"], [b""]]


def test_scalars_of_the_command_line() -> None:
    metadata = model(TensorSpec("a", "INT64", (1,)), TensorSpec("b", "FP32", ()))

    arrays = to_inputs(command_line({"inputs": {"a": 2, "b": 0.5}}), metadata)

    assert equal(arrays, {"a": np.array([2]), "b": np.array(0.5, np.float32)})


def test_names_that_look_like_numbers() -> None:
    metadata = model(TensorSpec("0", "FP32", (-1,)), TensorSpec("1", "FP32", (-1,)))

    arrays = to_inputs(command_line({"inputs": {"0": [1], "1": [2]}}), metadata)

    assert list(arrays) == ["0", "1"]


def test_an_input_named_inputs() -> None:
    metadata = model(TensorSpec("inputs", "FP32", (-1,)))
    expected = {"inputs": np.array([1, 2], np.float32)}

    assert equal(to_inputs({"inputs": [1, 2]}, metadata), expected)
    assert equal(to_inputs(pd.DataFrame({"inputs": [1, 2]}), metadata), expected)
    assert equal(to_inputs(command_line({"inputs": {"inputs": [1, 2]}}), metadata), expected)


def test_null_is_nan_where_there_is_nan() -> None:
    [array] = to_inputs([[1, None]], ONE).values()

    assert np.array_equal(array, [[1, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("datatype", "value", "why"),
    [
        ("INT32", [1.5], "1.5 is not an integer"),
        ("INT32", [float("nan")], "nan is not an integer"),
        ("INT32", np.array([np.inf]), "inf is not an integer"),
        ("INT32", [None], "None is not a number"),
        ("INT8", [300], "300 is not between -128 and 127"),
        ("UINT8", [-1], "-1 is not between 0 and 255"),
        ("INT64", [2**63], "is not between"),
        ("INT64", np.array([2.0**63]), "is not between"),
        ("UINT64", [2**64], "is not between"),
        ("INT64", [2**63, -1], "is not between"),
        ("INT32", ["1"], "text is not a number"),
        ("FP32", [1e300], "1e+300 is too large"),
        ("FP16", [70000], "70000 is too large"),
        ("FP64", [10**400], "too large"),
        ("FP32", ["a"], "text is not a number"),
        ("FP32", [1j], "complex128 is not a number"),
        ("FP32", np.array(["2020-01-01"], "datetime64[s]"), "datetime64[s] is not a number"),
        ("FP32", [[1], [2, 3]], "its rows differ in length or depth"),
        ("FP32", [{"a": 1}], "is not a number"),
        ("BOOL", [2], "only true, false, 1 and 0 are booleans"),
        ("BOOL", [0.5], "only true"),
        ("BYTES", [1], "1 is neither text nor bytes"),
        ("BYTES", [["a"], ["b", "c"]], "its rows differ"),
        ("BYTES", ["\ud800"], "not UTF-8"),
        ("FP32", np.ma.masked_array([1, 2], [True, False]), "masked"),
        ("FP32", [[1], [2]], "the shape does not fit"),
        ("STRING", ["a"], "the data type STRING is not known"),
    ],
)
def test_values_that_do_not_fit(datatype: str, value: object, why: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_inputs({"x": value}, model(TensorSpec("x", datatype, (-1,))))

    message = str(caught.value)
    assert why in message
    assert f"the model takes {datatype} [-1]" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("datatype", "value", "expected"),
    [
        ("BOOL", [True, 0, 1], np.array([True, False, True])),
        ("INT64", [2**63 - 1, -(2**63)], np.array([2**63 - 1, -(2**63)])),
        ("INT64", [2**53 + 1, 1], np.array([2**53 + 1, 1])),
        ("UINT64", [2**64 - 1, 0], np.array([2**64 - 1, 0], np.uint64)),
        ("INT8", np.array([-128.0, 127.0]), np.array([-128, 127], np.int8)),
        ("INT64", np.array([-3, 65504], np.float16), np.array([-3, 65504])),
        ("UINT8", np.array(7, np.float32)[np.newaxis], np.array([7], np.uint8)),
        ("INT32", [True, 2.0], np.array([1, 2], np.int32)),
        ("INT32", [], np.array([], np.int32)),
        ("FP32", [0.1, 1, True], np.array([0.1, 1, 1], np.float32)),
        ("FP16", [float("inf")], np.array([np.inf], np.float16)),
    ],
)
def test_values_that_fit(datatype: str, value: object, expected: np.ndarray) -> None:
    assert equal(to_inputs({"x": value}, model(TensorSpec("x", datatype, (-1,)))), {"x": expected})


def test_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    metadata = model(TensorSpec("x", "BF16", (-1,)))

    for value in ([1, 2.5], np.array([1, 2.5], ml_dtypes.bfloat16)):
        [array] = to_inputs({"x": value}, metadata).values()
        assert array.dtype == ml_dtypes.bfloat16
        assert array.tolist() == [1, 2.5]


def test_all_problems_at_once() -> None:
    metadata = model(
        TensorSpec("a", "FP32", (-1, 2)),
        TensorSpec("b", "INT32", (-1,)),
        TensorSpec("c", "BYTES", (-1,)),
    )

    with pytest.raises(InvalidInputError) as caught:
        to_inputs({"a": [[1, 2, 3]], "b": np.array([0.5]), "d": 1}, metadata)

    message = str(caught.value)
    assert message.startswith("The inputs do not fit model 'iris': ")
    for part in (
        "input 'd' is unknown",
        "input 'c' is missing: the model takes BYTES [-1]",
        "input 'a' was given a list of shape [1, 3], the model takes FP32 [-1, 2]: the shape",
        "input 'b' was given float64 [1], the model takes INT32 [-1]: 0.5 is not an integer",
    ):
        assert part in message


def test_several_inputs_need_names() -> None:
    with pytest.raises(InvalidInputError, match="must be given by name"):
        to_inputs([[1, 2]], TWO)


def test_batches() -> None:
    with pytest.raises(InvalidInputError, match="'INPUT0' has 2, 'INPUT1' has 1"):
        to_inputs({"INPUT0": [[1, 2], [3, 4]], "INPUT1": [1]}, TWO, max_batch_size=8)
    with pytest.raises(InvalidInputError, match="batch size is 3, the model takes at most 2"):
        to_inputs([[1, 2]] * 3, ONE, max_batch_size=2)
    assert to_inputs([[1, 2]] * 2, ONE, max_batch_size=2)
    assert to_inputs({"INPUT0": [[1, 2], [3, 4]], "INPUT1": [1]}, TWO)


def test_a_dimension_is_added_only_where_it_is_all_that_is_missing() -> None:
    fixed = model(TensorSpec("x", "FP32", (3, 2)))

    with pytest.raises(InvalidInputError):
        to_inputs([1, 2], fixed)
    with pytest.raises(InvalidInputError):
        to_inputs([1, 2, 3], ONE)
    with pytest.raises(InvalidInputError):
        to_inputs(1, ONE)


def test_unknown_names_are_not_all_listed_and_the_right_shape_is_shown() -> None:
    metadata = ModelMetadata("iris", (1,), "onnx", (TensorSpec("X", "FP32", (-1, 4)),), ())
    with pytest.raises(InvalidInputError) as caught:
        to_inputs(pd.DataFrame(np.zeros((1, 50))), metadata)
    message = str(caught.value)
    assert "input '2' is unknown; so are 47 more;" in message
    assert message.endswith('as {"inputs": {"X": [[…]]}}.')
