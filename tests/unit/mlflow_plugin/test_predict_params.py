from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_params import to_options, without_params
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_core.ports.request_options import (
    RequestedOutput,
    RequestOptions,
    SequenceStep,
)

MODEL = ModelSignature(
    ModelMetadata(
        "m",
        (1,),
        "p",
        (TensorSpec("X", "FP32", (-1, 2)), TensorSpec("Y", "BYTES", (-1, 1))),
        (TensorSpec("P", "FP32", (-1, 3)), TensorSpec("TEXT", "BYTES", (-1, 1))),
    ),
    optional=frozenset({"Y"}),
)
INPUTS = {"X": [[1, 2]]}
PARAMS = {
    "parameters": {"sequence_id": "07", "sequence_start": True, "t": 0.5, "big": 2**60},
    "outputs": {"P": 3, "TEXT": 0},
    "version": 2,
    "request_id": "0123",
}
OPTIONS = RequestOptions(
    version=2,
    request_id="0123",
    parameters={"t": 0.5, "big": 2**60},
    sequence=SequenceStep("07", start=True),
    outputs=(RequestedOutput("P", 3), RequestedOutput("TEXT")),
)


def from_command_line(document):
    return pd.read_json(io.StringIO(json.dumps(document)))


@pytest.mark.parametrize("form", [dict, from_command_line])
@pytest.mark.parametrize(
    "inputs",
    [
        {"inputs": INPUTS},
        {"inputs": INPUTS | {"Y": None}},
        {"dataframe_split": {"columns": ["X"], "data": [[[1, 2]]]}},
    ],
)
@pytest.mark.parametrize(
    ("params", "options"),
    [
        (PARAMS, OPTIONS),
        ({"version": 2}, RequestOptions(version=2)),
        ({"outputs": ["P"]}, RequestOptions(outputs=(RequestedOutput("P"),))),
        ({}, None),
    ],
)
def test_params_beside_the_inputs(form, inputs, params, options):
    raw, found = without_params(form(inputs | {"params": params}), MODEL.input_names)
    assert to_options(found, MODEL) == options
    arrays = to_inputs(raw, MODEL)
    assert {name: array.tolist() for name, array in arrays.items()} == INPUTS


def test_what_has_no_params_stays_as_it_is():
    for raw in (INPUTS, {"inputs": INPUTS}, [1], pd.DataFrame({"X": [1]}), None):
        assert without_params(raw, MODEL.input_names)[0] is raw
    named = {"inputs": [1], "params": [2]}
    assert without_params(named, frozenset({"params"})) == (named, {})
    both = {"inputs": [1], "instances": [1], "params": {}}
    assert without_params(both, MODEL.input_names) == (both, {})


def test_reserved_names_are_the_schedulers():
    parameters = {"sequence_id": np.int64(7), "sequence_end": True, "priority": 1, "timeout": 5000}
    options = to_options({"parameters": parameters}, MODEL)
    assert options == RequestOptions(
        sequence=SequenceStep(7, end=True), priority=1, queue_timeout=0.005
    )
    assert options.scheduling() == {
        "sequence_id": 7,
        "sequence_start": False,
        "sequence_end": True,
        "priority": 1,
        "timeout": 5000,
    }


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"temperature": 1}, "'temperature' is unknown; what the model itself takes goes in"),
        ({"parameters": [1]}, "parameters has to be an object"),
        ({"parameters": {"a": [1]}}, "parameter 'a' has to be a number, a text, true or false"),
        ({"parameters": {"a": 2**63}}, "parameter 'a' is 9223372036854775808, which has no 64"),
        ({"parameters": {"a": float("nan")}}, "parameter 'a' is nan"),
        ({"parameters": {"triton_a": 1}}, "'triton_a' has a name that is reserved"),
        ({"parameters": {"sequence_id": 0}}, "sequence's id is 0: give one from 1 to"),
        ({"parameters": {"sequence_id": ""}}, "sequence's id is an empty text"),
        ({"parameters": {"sequence_id": 1.5}}, "'sequence_id' is 1.5: give a whole number"),
        ({"parameters": {"sequence_start": True}}, "'sequence_id' is missing"),
        ({"parameters": {"sequence_start": 1}}, "'sequence_start' is 1: give true or false"),
        ({"parameters": {"priority": "high"}}, "'priority' is 'high': give a whole number"),
        ({"parameters": {"timeout": -1}}, "the time-out in the queue is"),
        ({"outputs": "P"}, "outputs has to be names"),
        ({"outputs": ["P", "P"]}, "output 'P' is asked for more than once"),
        ({"outputs": ["Q"]}, "there is no output 'Q', but 'P', 'TEXT'"),
        ({"outputs": {"P": -1}}, "output 'P' with -1 classes"),
        ({"outputs": {"P": "all"}}, "outputs is 'all': give a whole number"),
        ({"outputs": {"TEXT": 1}}, "output 'TEXT' has no numbers, so there are no classes"),
        ({"version": 0}, "version is 0"),
        ({"version": True}, "version is True: give a whole number"),
        ({"request_id": 123.0}, "request_id is 123.0: give a text"),
    ],
)
def test_what_does_not_fit_is_said(params, problem):
    with pytest.raises(InvalidInputError) as caught:
        to_options(params, MODEL)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()


def test_all_problems_are_listed_at_once():
    params = {"temperature": 1, "version": 0, "parameters": {"a": None, "priority": "x"}}
    with pytest.raises(InvalidInputError, match=r"temperature.*priority.*version is 0.*There are:"):
        to_options(params, MODEL)
    with pytest.raises(InvalidInputError, match="params has to be an object"):
        without_params({"inputs": INPUTS, "params": [1]}, MODEL.input_names)
