"""What is deployed with a model and runs on the server, tried alone: no Triton, a real MLflow."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema

from mlflow_triton.flavors.packaging import PackageOptions
from mlflow_triton.flavors.pyfunc_config import generate_config
from mlflow_triton.flavors.pyfunc_signature import read_signature
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles
from mlflow_triton.predict_columns import Column
from mlflow_triton.predict_text_forms import from_text, to_text
from mlflow_triton.served import pyfunc_serving as serving
from mlflow_triton.tensors_values import ValueProblemError, to_datatype
from mlflow_triton.text_forms import TextForm
from triton_deploy_transport.pbtxt import parse

SCALE = """
import mlflow
import pandas as pd

class Scale(mlflow.pyfunc.PythonModel):
    # Multiplies; has one row for all when `one` is set; refuses what is negative.
    def predict(self, context, model_input, params=None):
        if (model_input["x"] < 0).any():
            raise LookupError("below\\nzero")
        scaled = model_input["x"] * params["factor"]
        return pd.DataFrame({"y": scaled[:1] if params["one"] else scaled})

mlflow.models.set_model(Scale())
"""


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model"
    signature = ModelSignature(
        Schema([ColSpec("double", "x"), ColSpec("string", "s", required=False)]),
        Schema([ColSpec("double", "y")]),
        infer_signature(params={"factor": 2.0, "one": False}).params,
    )
    code = path.with_name("scale.py")
    code.write_text(SCALE)
    with warnings.catch_warnings():  # advice on how to log models
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(path), python_model=str(code), signature=signature, pip_requirements=["mlflow"]
        )
    return path


def config_of(model: Path, **options: Any) -> dict[str, Any]:
    """The configuration as Triton gives it to a model."""
    made = parse(
        generate_config(
            read_signature(read_mlmodel(DirectoryFiles(model))), PackageOptions(**options), {}
        )
    )
    kinds = type(made).DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number

    def entries(tensors: Any) -> list[dict[str, Any]]:
        return [
            {"name": t.name, "data_type": kinds[t.data_type].name, "dims": list(t.dims)}
            for t in tensors
        ]

    return {
        "max_batch_size": made.max_batch_size,
        "input": entries(made.input),
        "output": entries(made.output),
        "parameters": {k: {"string_value": v.string_value} for k, v in made.parameters.items()},
    }


@pytest.fixture(scope="module")
def served(scale: Path) -> serving.Served:
    return serving.Served(scale, config_of(scale))


def x(*values: float) -> dict[str, Any]:
    return {"x": np.array(values, dtype=np.float64)}


def test_a_request_is_a_call_with_its_params(served):
    (one, two, three) = served.answer(
        [
            (x(1, 2), "{}"),
            (x(1, 2), '{"factor": 3, "x-trace": "y"}'),
            (x(1, 2), '{"factor": "0.5", "one": true}'),
        ]
    )
    assert one["y"].tolist() == [2.0, 4.0]
    assert two["y"].tolist() == [3.0, 6.0]
    assert three["y"].tolist() == [0.5]


def test_a_misspelt_parameter_is_told_with_those_there_are(served):
    (wrong,) = served.answer([(x(1), '{"fcator": 3, "one": false}')])
    assert wrong == "the model has no parameter 'fcator': those of its signature are factor, one"
    others = {"sequence_id": 7, "binary_data_output": True, "triton_x": 1, "x-request-id": "1"}
    (right,) = served.answer([(x(1), json.dumps({**others, "Authorization": "Bearer x"}))])
    assert right["y"].tolist() == [2.0]
    with pytest.raises(ValueError, match=r"the model has no parameter 'a': it takes none"):
        serving.read_params('{"a": 1}', None)


def test_what_one_request_does_wrong_is_told_to_that_one_alone(served):
    answers = served.answer([(x(1), "{}"), (x(-1), "{}"), ({}, "{}"), (x(2), '{"one": "no"}')])
    assert answers[0]["y"].tolist() == [2.0]
    assert answers[1] == "LookupError: below zero"
    assert "Model is missing inputs ['x']" in answers[2]
    assert answers[3] == "parameter 'one': 'no' is not JSON for boolean"


def test_requests_that_came_together_have_the_rows_that_are_theirs(scale):
    served = serving.Served(scale, config_of(scale, max_batch_size=8))
    column = {"x": np.array([[1.0], [2.0]])}
    answers = served.answer([(column, "{}"), ({"x": np.array([[3.0]])}, "{}")])
    assert [answer["y"].tolist() for answer in answers] == [[[2.0], [4.0]], [[6.0]]]
    # Where the model does not give a row for each, each request is a call of its own.
    answers = served.answer([(column, '{"one": true}')] * 2)
    assert [answer["y"].tolist() for answer in answers] == [[[2.0]], [[2.0]]]


def test_a_model_that_cannot_be_loaded_names_the_packages(scale, tmp_path):
    lines = ["mlflow-no-such-package==1.0", "--extra-index-url x", "mlflow"]
    lines.append("numpy==0.1 ; python_version > '3'")
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    with pytest.raises(serving.CannotLoadError) as told:
        serving.Served(tmp_path, config_of(scale))
    message = str(told.value)
    assert "mlflow-no-such-package==1.0 (missing), numpy==0.1 (it is" in message
    assert "-C env=" in message
    assert "\n" not in message


def outputs(*tensors: tuple[str, str, str | None]) -> list[serving.Tensor]:
    return [serving.Tensor(name, kind, (-1,), form) for name, kind, form in tensors]


ONE = outputs(("y", "TYPE_FP64", None))
TWO = outputs(("a", "TYPE_FP64", None), ("b", "TYPE_FP64", None))


@pytest.mark.parametrize(
    ("returned", "tensors", "expected"),
    [
        (pd.Series([1.0, 2.0]), ONE, {"y": [1.0, 2.0]}),
        (np.array([1.0]), ONE, {"y": [1.0]}),
        ([1.0, 2.0], ONE, {"y": [1.0, 2.0]}),
        (3.0, ONE, {"y": [3.0]}),
        (pd.DataFrame({"other": [1.0]}), ONE, {"y": [1.0]}),
        ({"y": 1.0}, ONE, {"y": [1.0]}),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), TWO, {"a": [1.0, 3.0], "b": [2.0, 4.0]}),
        ([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": None}], TWO, {"a": [1.0, 3.0], "b": [2.0, None]}),
        (pd.DataFrame({"b": [1.0], "c": [2.0]}), TWO, {"b": [1.0]}),
        ("text", outputs(("y", "TYPE_STRING", "text")), {"y": ["text"]}),
        ({"k": 1}, outputs(("y", "TYPE_STRING", "json")), {"y": [{"k": 1}]}),
    ],
)
def test_whatever_a_model_returns_is_taken_by_name(returned, tensors, expected):
    found = serving.by_name(returned, tensors)
    assert {name: list(values) for name, values in found.items()} == expected


@pytest.mark.parametrize("returned", [np.zeros((2, 3)), pd.DataFrame({"c": [1.0]}), [1.0, 2.0]])
def test_what_does_not_fit_the_signature_is_refused(returned):
    with pytest.raises(ValueError, match=r"signature has"):
        serving.by_name(returned, TWO)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1.5], "TYPE_INT64", "numbers that int64.* can't hold"),
        ([math.nan], "TYPE_INT32", "can't hold"),
        ([0.1], "TYPE_FP32", "can't hold: log the model with the type that it returns"),
        ([300], "TYPE_UINT8", "can't hold"),
        (["x"], "TYPE_FP64", "is not float64"),
        ([1], "TYPE_STRING", "int is not text"),
    ],
)
def test_outputs_of_another_type_than_the_signature_has_lose_nothing(values, kind, message):
    form = "text" if kind == "TYPE_STRING" else None
    with pytest.raises(ValueError, match=f"output 'y' of the model: .*{message}"):
        serving.encoded(values, serving.Tensor("y", kind, (-1,), form))


def test_numbers_that_fit_another_type_are_converted():
    for values, kind, dtype in (
        ([True, False], "TYPE_INT64", np.int64),
        (pd.Series([1, 2], dtype="Int64"), "TYPE_FP64", np.float64),
        (np.array([0.5, np.nan]), "TYPE_FP32", np.float32),
        (np.array([2**31]), "TYPE_INT64", np.int64),
    ):
        array = serving.encoded(values, serving.Tensor("y", kind, (-1,), None))
        assert array.dtype == dtype


def test_a_shape_that_is_not_the_signatures_is_refused():
    tensor = serving.Tensor("y", "TYPE_FP64", (-1, 3), None)
    assert serving.in_shape(np.zeros((2, 3)), tensor, is_batched=False).shape == (2, 3)
    with pytest.raises(ValueError, match=r"'y' of the model has the shape \[2, 4\]"):
        serving.in_shape(np.zeros((2, 4)), tensor, is_batched=False)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
words = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.integers(-(2**63), 2**63 - 1).map(lambda ns: np.datetime64(ns, "ns"))


@given(
    st.one_of(
        st.tuples(st.just(TextForm.TEXT), st.lists(words | st.none(), min_size=1)),
        st.tuples(st.just(TextForm.DATETIME), st.lists(moments, min_size=1)),
        st.tuples(st.just(TextForm.JSON), st.lists(documents, min_size=1)),
    )
)
def test_what_is_sent_as_text_arrives_and_comes_back_as_it_was(sent):
    form, values = sent
    tensor = serving.Tensor("x", "TYPE_STRING", (-1,), form.value)
    texts = to_datatype(to_text(Column(values), form).rows, "BYTES")
    arrived = serving.decoded(texts, tensor)
    back = from_text(serving.encoded(arrived, tensor), form)
    for array in (arrived, back):
        if form is TextForm.DATETIME:
            np.testing.assert_array_equal(array, np.array(values, "M8[ns]"))
        else:
            assert array.tolist() == values


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (
            pd.Timestamp("2024-02-29T01:02:03.000000004"),
            "datetime",
            ["2024-02-29T01:02:03.000000004"],
        ),
        (pd.NaT, "datetime", ["NaT"]),
        ("2024-01-01", "datetime", ["2024-01-01"]),
        (float("nan"), "text", [b"\xff"]),
        (pd.NA, "text", [b"\xff"]),
        (np.array([1, 2]), "json", [b"[1, 2]"]),
        (pd.NA, "json", [b"null"]),
        (b'{"a": 1}', "json", [b'{"a": 1}']),
        ({"d": np.float32(0.5)}, "json", [b'{"d": 0.5}']),
    ],
)
def test_cells_as_libraries_have_them(value, form, expected):
    assert list(to_text(Column([value]), TextForm(form)).rows) == expected


def test_what_has_no_text_is_refused():
    with pytest.raises(ValueProblemError, match="has a time zone"):
        to_text(Column([pd.Timestamp("2024-01-01", tz="UTC")]), TextForm.DATETIME)
    with pytest.raises(ValueProblemError, match="can't be written as JSON"):
        to_text(Column([object()]), TextForm.JSON)


def test_text_that_is_not_in_its_form_is_told_by_name():
    for form, message in (("datetime", "Error parsing datetime"), ("json", "Expecting value")):
        tensor = serving.Tensor("x", "TYPE_STRING", (-1,), form)
        with pytest.raises(ValueError, match=f"input 'x' is not {form}: {message}"):
            serving.decoded(serving.objects([b"no"]), tensor)


def test_messages_between_two_processes():
    arrays = {"n": np.arange(6, dtype=np.int16).reshape(2, 3), "b": serving.objects([b"\0", b""])}
    pipe = io.BytesIO()
    serving.send(pipe, serving.pack(arrays))
    pipe.seek(0)
    back = serving.unpack(serving.receive(pipe))
    np.testing.assert_array_equal(back["n"], arrays["n"])
    assert back["n"].dtype == np.int16
    assert back["b"].tolist() == [b"\0", b""]
    with pytest.raises(EOFError):
        serving.receive(pipe)


@pytest.fixture
def triton_side(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``model.py``, with Triton's own module in place of which there is one with the exception."""
    stub = ModuleType("triton_python_backend_utils")
    stub.TritonModelException = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    import importlib

    name = "mlflow_triton.served.pyfunc_model"
    yield importlib.import_module(name)
    del sys.modules[name]


def test_a_process_that_is_killed_is_started_again_and_ends_with_its_owner(scale, triton_side):
    worker = triton_side.Worker(sys.executable, scale, config_of(scale))
    (answer,) = worker.answer([(x(1), "{}")])
    assert answer["y"].tolist() == [2.0]
    first = worker._process.pid
    os.kill(first, signal.SIGKILL)
    worker._process.wait()
    (answer,) = worker.answer([(x(2), "{}")])
    assert answer["y"].tolist() == [4.0]
    assert worker._process.pid != first
    worker.close()
    assert worker._process.returncode == 0


def test_a_process_that_cannot_load_the_model_says_why(scale, triton_side, tmp_path):
    with pytest.raises(triton_side.serving.CannotLoadError, match="The MLflow model can't be load"):
        triton_side.Worker(sys.executable, tmp_path, config_of(scale))
    with pytest.raises(triton_side.serving.CannotLoadError, match="can't be started on the server"):
        triton_side.Worker(str(tmp_path / "python"), scale, config_of(scale))
