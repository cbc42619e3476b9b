"""Conversions lose nothing: what goes in as JSON or as an array comes out the same."""

from __future__ import annotations

import io
import json
import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_outputs import to_frame
from mlflow_triton.predict_signature import ModelSignature
from mlflow_triton.tensors_values import ValueProblemError, to_datatype
from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec

NUMBERS = sorted(set(NUMPY_DTYPES) - {"BYTES"})
INTEGERS = [name for name in NUMBERS if "INT" in name]
shapes = arrays.array_shapes(min_dims=1, max_dims=3, max_side=4)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    datatype = draw(st.sampled_from(NUMBERS))
    dtype = NUMPY_DTYPES[datatype]
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    elements = arrays.from_dtype(dtype, **finite)
    return datatype, draw(arrays.arrays(dtype, shapes, elements=elements))


def model(*specs: TensorSpec) -> ModelSignature:
    return ModelSignature(ModelMetadata("m", (1,), "p", specs, ()))


@given(tensors())
def test_an_output_printed_as_json_is_the_same_as_an_input(tensor) -> None:
    datatype, array = tensor
    text = to_frame({"x": array}).to_json()
    given_back = json.loads(text)["outputs"]

    [same] = to_inputs(given_back, model(TensorSpec("x", datatype, (-1,) * array.ndim))).values()

    assert same.dtype == array.dtype
    assert np.array_equal(same, array)


@given(tensors())
def test_every_number_may_come_as_float64_if_it_is_one(tensor) -> None:
    datatype, array = tensor
    wide = array.astype(np.float64)
    if not np.array_equal(wide.astype(object), array.astype(object)):
        return

    if datatype == "BOOL":
        wide = wide.astype(np.int64)
    assert np.array_equal(to_datatype(wide, datatype), array)


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1), st.sampled_from(INTEGERS))
def test_integers_are_kept_or_refused(values, datatype) -> None:
    limits = np.iinfo(NUMPY_DTYPES[datatype])
    fit = all(limits.min <= value <= limits.max for value in values)

    try:
        array = to_datatype(values, datatype)
    except ValueProblemError:
        assert not fit
    else:
        assert fit
        assert array.tolist() == values


@given(st.lists(st.floats() | st.integers(-(2**65), 2**65), min_size=1))
def test_mixed_numbers_are_kept_or_refused(values) -> None:
    try:
        array = to_datatype(values, "INT64")
    except ValueProblemError:
        assert not all(
            math.isfinite(value) and value == int(value) and -(2**63) <= value < 2**63
            for value in values
        )
    else:
        assert array.tolist() == values


@given(arrays.arrays(object, shapes, elements=st.binary() | st.text(st.characters(codec="utf-8"))))
def test_bytes_and_text(array) -> None:
    wanted = [item.encode() if isinstance(item, str) else item for item in array.flat]

    assert list(to_datatype(array, "BYTES").flat) == wanted
    assert list(to_datatype(array.tolist(), "BYTES").flat) == wanted


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,8}[0-9]?", fullmatch=True),
        st.lists(
            st.lists(st.integers(-1000, 1000), min_size=3, max_size=3), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_command_lines_frame_is_the_same_as_the_mapping(inputs) -> None:
    specs = tuple(TensorSpec(name, "INT32", (-1, 3)) for name in inputs)
    metadata = model(*specs)
    frame = pd.read_json(io.StringIO(json.dumps({"inputs": inputs})))

    arrays_of_frame, arrays_of_mapping = to_inputs(frame, metadata), to_inputs(inputs, metadata)

    assert list(arrays_of_frame) == list(arrays_of_mapping)
    for name, array in arrays_of_frame.items():
        assert np.array_equal(array, arrays_of_mapping[name])
