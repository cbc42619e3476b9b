from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.tensors_lazy import LazyRows
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec


def model(*specs: TensorSpec, **more: object) -> ModelSignature:
    metadata = ModelMetadata("iris", (1,), "onnxruntime_onnx", specs, ())
    return ModelSignature(metadata, **more)


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


ROWS = [{"INPUT0": [1, 2], "INPUT1": 7}, {"INPUT1": 8, "INPUT0": [3, 4.5]}]
DOCUMENTS = [
    {"inputs": {"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7, 8]}},
    {"dataframe_records": ROWS},
    {"instances": ROWS},
    {"dataframe_split": {"columns": ["INPUT1", "INPUT0"], "data": [[7, [1, 2]], [8, [3, 4.5]]]}},
    {
        "dataframe_split": {
            "index": [5, 6],
            "columns": ["INPUT1", "INPUT0"],
            "data": [[7.0, [1, 2]], [8, [3, 4.5]]],
        }
    },
]
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
        pd.DataFrame({"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": pd.array([7, 8], dtype="Int64")}),
        pa.table({"INPUT0": [[1, 2], [3, 4.5]], "INPUT1": [7, 8]}),
        {"INPUT0": scipy.sparse.csr_matrix([[1, 2], [3, 4.5]]), "INPUT1": pa.array([7, 8])},
        *(form(document) for form in (dict, command_line) for document in DOCUMENTS),
    ],
)
def test_every_form(raw: object) -> None:
    assert equal(to_inputs(raw, TWO), EXPECTED)


@pytest.mark.parametrize("raw", [[[1, 2]], [1, 2], np.array([1, 2]), {"x": [1, 2]}])
def test_one_input_alone_and_the_batch_dimension(raw: object) -> None:
    assert equal(to_inputs(raw, ONE), {"x": np.array([[1, 2]], np.float32)})


FEATURES = np.array([[1, 2], [3, 4]], np.float32)


@pytest.mark.parametrize(
    "raw",
    [
        scipy.sparse.csr_array(FEATURES),
        pd.DataFrame({"petal": [1, 3], "sepal": [2.0, 4.0]}),
        pd.DataFrame({"x": [[1, 2], [3, 4]]}),
        pd.Series([[1, 2], [3, 4]]),
        pd.Series([np.array([1, 2]), np.array([3, 4])], name="anything"),
        pa.table({"petal": [1, 3], "sepal": [2.0, 4.0]}),
        *(
            form(document)
            for form in (dict, command_line)
            for document in (
                {"inputs": [[1, 2], [3, 4]]},
                {"instances": [[1, 2], [3, 4]]},
                {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
                {"dataframe_records": [{"petal": 1, "sepal": 2}, {"petal": 3, "sepal": 4}]},
                {"dataframe_split": {"columns": ["petal", "sepal"], "data": [[1, 2], [3, 4]]}},
            )
        ),
    ],
)
def test_the_one_input_of_a_model(raw: object) -> None:
    assert equal(to_inputs(raw, ONE), {"x": FEATURES})


@pytest.mark.parametrize(
    "raw",
    [
        pd.Series([1, 2]),
        pd.DataFrame({"x": [1, 2]}),
        pd.DataFrame({"anything": [1, 2]}),
        {"x": pd.Series([1, 2])},
        {"dataframe_records": [{"x": 1}, {"x": 2}]},
    ],
)
def test_cells_are_tensors_of_one_element(raw: object) -> None:
    signature = model(TensorSpec("x", "FP32", (-1, 1)))
    assert equal(to_inputs(raw, signature), {"x": np.array([[1], [2]], np.float32)})


def test_missing_cells_are_nan_where_there_is_nan() -> None:
    signature = model(TensorSpec("x", "FP32", (-1,)))
    for column in ([1, None], pd.array([1, None], dtype="Int64"), pa.array([1, None])):
        raw = {"x": pd.Series(column) if isinstance(column, list) else column}
        raw = pd.DataFrame(raw) if not isinstance(raw["x"], pa.Array) else raw
        assert np.array_equal(to_inputs(raw, signature)["x"], [1, np.nan], equal_nan=True)
    with pytest.raises(InvalidInputError, match="not an integer"):
        to_inputs(pd.DataFrame({"x": [1, None]}), model(TensorSpec("x", "INT64", (-1,))))


def test_one_row_may_stand_for_a_model_without_batches() -> None:
    signature = model(TensorSpec("x", "FP32", (2,)))
    for raw in (pd.DataFrame({"x": [[1, 2]]}), {"dataframe_records": [{"x": [1, 2]}]}):
        assert equal(to_inputs(raw, signature), {"x": np.array([1, 2], np.float32)})


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (
            {"dataframe_split": {"columns": ["x"], "data": [[1], [1, 2]]}},
            "1 columns, but rows of 2",
        ),
        ({"dataframe_split": [1]}, "dataframe_split has to be"),
        ({"dataframe_records": [1]}, "dataframe_records has to be"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "several columns 'x'"),
    ],
)
def test_forms_that_can_not_be_read(raw: object, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        to_inputs(raw, ONE)


def test_large_arrays_are_converted_a_few_rows_at_a_time() -> None:
    wide = np.zeros((1 << 20, 10))  # 80 MiB
    signature = model(TensorSpec("x", "FP32", (-1, 10)), max_batch_size=8)
    wide[-1, 3] = 0.5
    lazy = to_inputs(wide, signature)["x"]
    assert isinstance(lazy, LazyRows)
    assert lazy.shape == wide.shape
    assert np.array_equal(lazy[-2:][1], wide[-1].astype(np.float32))
    wide[-1, 3] = 1e300
    with pytest.raises(InvalidInputError, match=r"1e\+300 is too large"):
        to_inputs(wide, signature)
    same = np.zeros((1 << 20, 20), np.float32)
    assert to_inputs(same, model(TensorSpec("x", "FP32", (-1, 20))))["x"] is same


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
        ("FP16", np.array([2049]), "the integer 2049 would become 2048.0"),
        ("FP32", [16777217], "the integer 16777217 would become 16777216.0"),
        ("FP64", [2**53 + 1], "the integer 9007199254740993 would become"),
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
    two = model(*TWO.inputs, max_batch_size=2)
    with pytest.raises(InvalidInputError, match="'INPUT0' has 2, 'INPUT1' has 1"):
        to_inputs({"INPUT0": [[1, 2], [3, 4]], "INPUT1": [1]}, two)
    with pytest.raises(InvalidInputError, match="there are no rows"):
        to_inputs({"INPUT0": np.zeros((0, 2)), "INPUT1": []}, two)
    assert to_inputs([[1, 2]] * 3, model(*ONE.inputs, max_batch_size=2))["x"].shape == (3, 2)
    assert to_inputs({"INPUT0": [[1, 2], [3, 4]], "INPUT1": [1]}, TWO)


def test_optional_inputs() -> None:
    two = model(*TWO.inputs, optional=frozenset({"INPUT1"}))
    for raw in ({"INPUT0": [[1, 2]]}, {"INPUT0": [[1, 2]], "INPUT1": None}):
        assert equal(to_inputs(raw, two), {"INPUT0": np.array([[1, 2]], np.float32)})
    every = model(*TWO.inputs, optional=frozenset({"INPUT0", "INPUT1"}))
    with pytest.raises(InvalidInputError, match="no input is given"):
        to_inputs({}, every)
    with pytest.raises(InvalidInputError, match=r"'INPUT1' INT32 \[-1\] \(optional\)"):
        to_inputs({"INPUT0": 1}, two)


def test_a_dimension_is_added_only_where_it_is_all_that_is_missing() -> None:
    fixed = model(TensorSpec("x", "FP32", (3, 2)))

    with pytest.raises(InvalidInputError):
        to_inputs([1, 2], fixed)
    with pytest.raises(InvalidInputError):
        to_inputs([1, 2, 3], ONE)
    with pytest.raises(InvalidInputError):
        to_inputs(1, ONE)
    assert equal(to_inputs("a", TEXT), {"text": np.array([[b"a"]], object)})


def test_unknown_names_are_not_all_listed_and_the_right_shape_is_shown() -> None:
    metadata = model(TensorSpec("X", "FP32", (-1, 4)))
    with pytest.raises(InvalidInputError) as caught:
        to_inputs(pd.DataFrame(np.zeros((1, 50))), metadata)
    message = str(caught.value)
    assert "input '2' is unknown; so are 47 more;" in message
    assert message.endswith('as {"inputs": {"X": [[…]]}}.')


def test_a_tables_columns_are_taken_by_the_names_that_the_configuration_lists():
    told = {"parameters": {"feature_names": {"string_value": '["a", "b"]'}}, "max_batch_size": 8}
    signature = ModelSignature.of(ONE.metadata, told)
    expected = {"x": np.array([[1, 3], [2, 4]], np.float32)}
    table = pd.DataFrame({"more": ["x", "y"], "b": [3, 4], "a": [1, 2]})
    assert equal(to_inputs(table, signature), expected)
    assert equal(to_inputs({"dataframe_records": table.to_dict("records")}, signature), expected)
    assert equal(to_inputs(pd.DataFrame([[1, 3], [2, 4]]), signature), expected)
    with pytest.raises(InvalidInputError, match=r"has no column 'a'\. Model 'iris' takes the col"):
        to_inputs(table.drop(columns=["a"]), signature)
    with pytest.raises(InvalidInputError, match=r"has no column 'a' and 1 more"):
        to_inputs(table.rename(columns={"a": "c", "b": "d"}), signature)


@pytest.mark.parametrize("value", ["", "{", "3", '["a", 1]', '{"a": 1}'])
def test_names_that_somebody_else_wrote_are_none(value):
    told = {"parameters": {"feature_names": {"string_value": value}}}
    assert ModelSignature.of(ONE.metadata, told).feature_names == ()
