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
from triton_deploy_core.ports.server import ModelMetadata
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
    def metadata(self, name):
        return ModelMetadata(name, (1,), "python", (), ())

    def config(self, name):
        return {"model_transaction_policy": {"decoupled": True}}


def test_a_decoupled_model_needs_a_stream():
    with pytest.raises(InvalidRequestError, match=r"is decoupled: .* by a stream, which only gRPC"):
        Predictor(_Decoupled()).predict("iris", {}, timeout=1)


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_name_is_needed(predictor, name):
    with pytest.raises(InvalidNameError, match="cannot be empty"):
        predictor.predict(name, {}, timeout=1)
