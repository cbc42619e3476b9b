from __future__ import annotations

import numpy as np
import pytest

from mlflow_triton.predicting import Predictor
from triton_deploy_core.errors import (
    InvalidInputError,
    InvalidNameError,
    InvalidRequestError,
    ModelNotServedError,
    RequestRefusedError,
)
from triton_deploy_core.ports.model_server import ModelMetadata
from triton_deploy_core.ports.request_options import RequestedOutput
from triton_deploy_core.testing.world import SimulatedWorld, version_package

CONFIG = """\
backend: "onnxruntime"
max_batch_size: 2
input { name: "X" data_type: TYPE_FP32 dims: 4 }
output { name: "B" data_type: TYPE_FP32 dims: 4 }
output { name: "A" data_type: TYPE_FP32 dims: 4 }
"""
ROWS = np.arange(28.0).reshape(7, 4)


@pytest.fixture
def world():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"", user_config=CONFIG.encode()))
    return world


@pytest.fixture
def predictor(world):
    return Predictor(world.server)


def asked(world, method):
    return [call.method for call in world.server.calls].count(method)


def update(world, old, new):
    package = version_package(b"new", user_config=CONFIG.replace(old, new).encode())
    world.service.update("iris", package)


def test_outputs_come_in_the_models_order(predictor):
    frame = predictor.predict("iris", {"X": np.zeros((2, 4))}, timeout=1)
    assert list(frame.index) == ["B", "A"]


def test_any_number_of_rows(world, predictor):
    for rows in (1, 2, 3, 7):
        frame = predictor.predict("iris", ROWS[:rows], timeout=1)
        assert np.array_equal(frame.loc["B", "outputs"], ROWS[:rows])
    assert asked(world, "infer") == 1 + 1 + 2 + 4


def test_a_model_is_asked_once_what_it_takes(world, predictor):
    before = asked(world, "metadata"), asked(world, "config")
    for _ in range(3):
        predictor.predict("iris", ROWS[:2], timeout=1)
    assert (asked(world, "metadata"), asked(world, "config")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("old", "new", "inputs"),
    [
        ("TYPE_FP32", "TYPE_INT32", {"X": ROWS[:1]}),
        ("dims: 4", "dims: 3", {"X": ROWS[:1, :3]}),
        ('"X"', '"Y"', {"Y": ROWS[:1]}),
        ("max_batch_size: 2", "max_batch_size: 1", ROWS[:2]),
        ("max_batch_size: 2", "max_batch_size: 4", ROWS),
    ],
)
def test_an_update_by_somebody_else_shows(world, predictor, old, new, inputs):
    predictor.predict("iris", ROWS[:1], timeout=1)
    update(world, old, new)
    frame = predictor.predict("iris", inputs, timeout=1)
    [given] = inputs.values() if isinstance(inputs, dict) else [inputs]
    assert np.array_equal(frame.loc["B", "outputs"], given)


def test_rows_are_not_sent_apart_to_a_model_that_takes_them_together(world, predictor):
    predictor.predict("iris", ROWS[:1], timeout=1)
    world.service.delete("iris")
    whole = CONFIG.replace("max_batch_size: 2", "").replace("dims: 4", "dims: [ -1, 4 ]")
    world.service.create("iris", version_package(b"", user_config=whole.encode()))
    before = asked(world, "infer")
    assert predictor.predict("iris", ROWS, timeout=1).loc["B", "outputs"].shape == (7, 4)
    assert asked(world, "infer") == before + 1


def test_errors_are_of_the_model_as_it_is_now(world, predictor):
    predictor.predict("iris", ROWS[:1], timeout=1)
    update(world, "dims: 4", "dims: 3")
    with pytest.raises(InvalidInputError, match=r"takes FP32 \[-1, 3\]"):
        predictor.predict("iris", ROWS[:1], timeout=1)
    world.service.delete("iris")
    with pytest.raises(ModelNotServedError):
        predictor.predict("iris", ROWS[:1, :3], timeout=1)


def test_a_refusal_of_a_model_that_did_not_change_comes_out(world, predictor):
    predictor.predict("iris", ROWS[:1], timeout=1)
    before = asked(world, "infer")

    def refuse(call):
        if call.method == "infer":
            raise RequestRefusedError("no", reason="no")

    world.server.before_call = refuse
    with pytest.raises(RequestRefusedError, match=r"^no$"):
        predictor.predict("iris", ROWS[:1], timeout=1)
    with pytest.raises(RequestRefusedError, match="This came of rows"):
        predictor.predict("iris", ROWS, timeout=1)
    assert asked(world, "infer") >= before


class _Decoupled:
    url = "http://here:8000"

    def __init__(self, *, streams=False):
        self.streams = streams

    def metadata(self, name):
        return ModelMetadata(name, (1,), "python", (), ())

    def config(self, name):
        return {"model_transaction_policy": {"decoupled": True}}


def test_a_decoupled_model_needs_a_stream():
    with pytest.raises(InvalidRequestError, match=r"is decoupled: .* predict_stream .* need gRPC"):
        Predictor(_Decoupled()).predict("iris", {}, timeout=1)
    with pytest.raises(InvalidRequestError, match=r"Use predict_stream of the Python client\.$"):
        Predictor(_Decoupled(streams=True)).predict("iris", {}, timeout=1)
    with pytest.raises(InvalidRequestError, match=r"http://here:8000 is HTTP: .* grpc://host:8001"):
        next(Predictor(_Decoupled()).predict_stream("iris", {}, timeout=1))


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_name_is_needed(predictor, name):
    with pytest.raises(InvalidNameError, match="cannot be empty"):
        predictor.predict(name, {}, timeout=1)


DECOUPLED = CONFIG + "model_transaction_policy { decoupled: true }"


@pytest.fixture
def rows(world):
    """A model that answers each row by itself."""
    world.service.create("rows", version_package(b"", user_config=DECOUPLED.encode()))
    return world


def options_of(world, method):
    return [call.options for call in world.server.calls if call.method == method]


def test_a_stream_of_frames(rows, predictor):
    frames = list(predictor.predict_stream("rows", ROWS[:2], timeout=1))
    assert [list(frame.index) for frame in frames] == [["B", "A"]] * 2
    for row, frame in enumerate(frames):
        assert np.array_equal(frame.loc["B", "outputs"], ROWS[row : row + 1])
    [whole] = predictor.predict_stream("iris", ROWS[:2], timeout=1)
    assert np.array_equal(whole.loc["B", "outputs"], ROWS[:2])


def test_a_stream_is_one_request(rows, predictor):
    with pytest.raises(InvalidInputError, match=r"A stream is one request, .* at most 2 rows"):
        next(predictor.predict_stream("rows", ROWS[:3], timeout=1))


def test_a_failure_after_some_answers_is_not_asked_again(rows, predictor):
    list(predictor.predict_stream("rows", ROWS[:1], timeout=1))
    before = asked(rows, "infer_stream")
    frames = predictor.predict_stream("rows", ROWS[:2] - 2 * ROWS[1], timeout=1)
    with pytest.raises(RequestRefusedError):
        next(frames)
    good = ROWS[:2].copy()
    good[1] = -1
    frames = predictor.predict_stream("rows", good, timeout=1)
    next(frames)
    with pytest.raises(RequestRefusedError):
        next(frames)
    assert asked(rows, "infer_stream") == before + 2


def test_an_update_shows_in_a_stream(world, predictor):
    list(predictor.predict_stream("iris", ROWS[:1], timeout=1))
    update(world, "dims: 4", "dims: 3")
    [frame] = predictor.predict_stream("iris", ROWS[:1, :3], timeout=1)
    assert np.array_equal(frame.loc["B", "outputs"], ROWS[:1, :3])
    world.service.delete("iris")
    with pytest.raises(ModelNotServedError):
        next(predictor.predict_stream("iris", ROWS[:1, :3], timeout=1))


def test_options_hold_for_every_part_of_a_split(world, predictor):
    document = {"inputs": {"X": -ROWS}, "params": {"parameters": {"t": 1}, "outputs": {"B": 2}}}
    frame = predictor.predict("iris", document, timeout=1, params={"parameters": {"t": 2}})
    assert list(frame.index) == ["B"]
    assert frame.loc["B", "outputs"].shape == (7, 2)
    assert frame.loc["B", "outputs"][6, 0] == b"-24.000000:0"
    sent = options_of(world, "infer")
    assert len(sent) == 4
    assert {(tuple(options.parameters.items()), options.outputs) for options in sent} == {
        ((("t", 2),), (RequestedOutput("B", 2),))
    }


def test_a_request_of_a_sequence_is_not_split(predictor):
    with pytest.raises(InvalidInputError, match=r"sequence can't be split, .* at most 2 rows"):
        predictor.predict("iris", ROWS, timeout=1, params={"parameters": {"sequence_id": 1}})


def test_a_version_that_does_not_serve(predictor):
    with pytest.raises(ModelNotServedError, match="version 9"):
        predictor.predict("iris", ROWS[:1], timeout=1, params={"version": 9})
    assert predictor.predict("iris", ROWS[:1], timeout=1, params={"version": 1}).size
