"""A configuration that the check refuses beside an ONNX graph, Triton refuses, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.e2e.publish.onnx_models import onnx_model

from mlflow_triton.layout_check import check_layout
from triton_deploy_core.errors import LoadFailedError
from triton_deploy_transport.http import HttpServer
from triton_local_server import LocalTriton

_value = helper.make_tensor_value_info
FLOAT = TensorProto.FLOAT


def _negated(shape: list[str | int], given: list[str | int] | None = None) -> onnx.ModelProto:
    node = helper.make_node("Neg", ["x"], ["y"])
    return onnx_model([node], [_value("x", FLOAT, shape)], [_value("y", FLOAT, given or shape)])


ROWS = _negated(["N", 3])
FIXED = _negated([1, 3])
SUM = onnx_model(
    [helper.make_node("Add", ["x", "w"], ["y"])],
    [_value("x", FLOAT, ["N", 3]), _value("w", FLOAT, [3])],
    [_value("y", FLOAT, ["N", 3])],
)
DEFAULT = onnx_model(
    [helper.make_node("Add", ["x", "w"], ["y"])],
    [_value("x", FLOAT, ["N", 3]), _value("w", FLOAT, [3])],
    [_value("y", FLOAT, ["N", 3])],
    [numpy_helper.from_array(np.ones(3, np.float32), "w")],
)
TWO_OUTPUTS = onnx_model(
    [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])],
    [_value("x", FLOAT, ["N", 3])],
    [_value("y", FLOAT, ["N", 3]), _value("z", FLOAT, ["N", 3])],
)
SCALAR = _negated([])
ONLY_ROWS = _negated(["N"])
TEXT = onnx_model(
    [helper.make_node("Identity", ["x"], ["y"])],
    [_value("x", TensorProto.STRING, ["N", 1])],
    [_value("y", TensorProto.STRING, ["N", 1])],
)
SEQUENCE = onnx_model(
    [helper.make_node("SequenceConstruct", ["x"], ["y"])],
    [_value("x", FLOAT, ["N", 3])],
    [helper.make_tensor_sequence_value_info("y", FLOAT, None)],
)
SAID_WRONG = _negated(["N", 3], ["N", 4])
SAID_LITTLE = _negated(["N", 3], ["N", "M"])

BATCHED = "max_batch_size: 8\n"


def _tensor(side: str, name: str, dims: str, data_type: str = "FP32", more: str = "") -> str:
    kind = f"data_type: TYPE_{data_type}" if data_type else ""
    return f'{side} {{ name: "{name}" {kind} dims: [ {dims} ] {more} }}\n'


def x(dims: str, data_type: str = "FP32", more: str = "", name: str = "x") -> str:
    return _tensor("input", name, dims, data_type, more)


def y(dims: str, data_type: str = "FP32", more: str = "", name: str = "y") -> str:
    return _tensor("output", name, dims, data_type, more)


OPTIONAL = "optional: true"
REFUSED = {
    "input_size": (ROWS, BATCHED + x("4") + y("3")),
    "input_size_free": (ROWS, BATCHED + x("-1") + y("3")),
    "output_size": (ROWS, BATCHED + x("3") + y("4")),
    "output_size_free": (ROWS, BATCHED + x("3") + y("-1")),
    "unbatched_size": (ROWS, x("-1, 4") + y("-1, 3")),
    "batch_written_twice": (ROWS, BATCHED + x("-1, 3") + y("3")),
    "batch_left_out": (ROWS, x("3") + y("-1, 3")),
    "batch_of_a_fixed_graph": (FIXED, BATCHED + x("3") + y("3")),
    "input_type": (ROWS, BATCHED + x("3", "FP64") + y("3")),
    "output_type": (ROWS, BATCHED + x("3") + y("3", "INT32")),
    "input_name": (ROWS, BATCHED + x("3", name="a") + y("3")),
    "output_name": (ROWS, BATCHED + x("3") + y("3", name="b")),
    "input_left_out": (SUM, x("-1, 3") + y("-1, 3")),
    "input_twice": (ROWS, BATCHED + x("3") + x("3") + y("3")),
    "default_is_required": (DEFAULT, x("-1, 3") + x("3", name="w") + y("-1, 3")),
    "default_of_other_size": (DEFAULT, x("-1, 3") + x("2", more=OPTIONAL, name="w") + y("-1, 3")),
    "optional_batched": (DEFAULT, BATCHED + x("3") + x("3", more=OPTIONAL, name="w") + y("3")),
    "reshape_size": (ROWS, BATCHED + x("4", more="reshape { shape: [ 2, 2 ] }") + y("3")),
    "scalar_of_two": (SCALAR, x("2") + y("1")),
    "text_as_bytes": (TEXT, BATCHED + x("1", "UINT8") + y("1", "STRING")),
    "sequence": (SEQUENCE, BATCHED + x("3") + y("3")),
}
ACCEPTED = {
    "as_it_is": (ROWS, BATCHED + x("3") + y("3")),
    "unbatched": (ROWS, x("-1, 3") + y("-1, 3")),
    "rows_fixed": (ROWS, x("2, 3") + y("-1, 3")),
    "fixed": (FIXED, x("1, 3") + y("1, 3")),
    "two_inputs": (SUM, x("-1, 3") + x("3", name="w") + y("-1, 3")),
    "default_left_out": (DEFAULT, BATCHED + x("3") + y("3")),
    "default_optional": (DEFAULT, x("-1, 3") + x("3", more=OPTIONAL, name="w") + y("-1, 3")),
    "output_left_out": (TWO_OUTPUTS, BATCHED + x("3") + y("3")),
    "reshape": (ROWS, BATCHED + x("1, 3", more="reshape { shape: [ 3 ] }") + y("3")),
    "scalar": (SCALAR, x("1") + y("1")),
    "only_rows": (
        ONLY_ROWS,
        BATCHED + x("1", more="reshape { shape: [ ] }") + y("1", more="reshape { shape: [ ] }"),
    ),
    "text": (TEXT, BATCHED + x("1", "STRING") + y("1", "STRING")),
    "graph_says_wrong": (SAID_WRONG, BATCHED + x("3") + y("-1")),
    "graph_says_little": (SAID_LITTLE, BATCHED + x("3") + y("3")),
}
NO_BACKEND = "slip_of_the_pen"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("graphs")
    cases = {**REFUSED, **ACCEPTED, NO_BACKEND: ACCEPTED["as_it_is"]}
    for name, (model, config) in cases.items():
        (root / name / "1").mkdir(parents=True)
        onnx.save(model, str(root / name / "1" / "model.onnx"))
        backend = "onnxruntim" if name == NO_BACKEND else "onnxruntime"
        text = f'backend: "{backend}"\n{config}'
        (root / name / "config.pbtxt").write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[HttpServer]:
    with LocalTriton(repository, disable_auto_complete=True, exit_timeout=0) as triton:
        http = HttpServer(triton.url)
        yield http
        http.close()


@pytest.mark.parametrize("name", REFUSED)
def test_a_problem_is_refused(repository: Path, server: HttpServer, name: str) -> None:
    found = check_layout(repository / name)
    assert found
    assert all(str(problem).isprintable() for problem in found)
    with pytest.raises(LoadFailedError):
        server.load(name, timeout=60)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_triton_takes_is_no_problem(repository: Path, server: HttpServer, name: str) -> None:
    assert check_layout(repository / name) == []
    server.load(name, timeout=60)


def test_a_backend_that_is_a_slip_of_the_pen(repository: Path, server: HttpServer) -> None:
    (problem,) = check_layout(repository / NO_BACKEND)
    assert problem.message == "unknown backend 'onnxruntim'; did you mean 'onnxruntime'?"
    with pytest.raises(LoadFailedError):
        server.load(NO_BACKEND, timeout=60)
