"""Whatever is sent to a model that gives it back comes back as it was, or a clear error does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.deployments import get_deploy_client
from mlflow.deployments.cli import commands
from mlflow.exceptions import MlflowException

from mlflow_triton.predicting import Predictor
from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.errors import InvalidInputError
from triton_deploy_core.ports.server import LoadOverride
from triton_deploy_transport import connect
from triton_deploy_transport.testing import ROWS_MODEL
from triton_local_server import LocalTriton

try:
    import ml_dtypes
except ImportError:  # a library that not every installation has
    ml_dtypes = None

ECHO = b"""\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            given = [(i.name(), i) for i in request.inputs()]
            if any(name == "FAIL" and i.as_numpy().any() for name, i in given):
                error = pb_utils.TritonError("told to fail")
                responses.append(pb_utils.InferenceResponse([], error=error))
                continue
            outputs = [
                pb_utils.Tensor("OUT" + name[2:], i.as_numpy())
                for name, i in given
                if name != "FAIL"
            ]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    with LocalTriton(tmp_path_factory.mktemp("models"), exit_timeout=0) as triton:
        yield triton


@pytest.fixture(scope="module", params=["http", "grpc"])
def server(request, triton):
    address = triton.grpc_url if request.param == "grpc" else triton.http_url
    with closing(connect(f"{request.param}://{address}")) as server:
        yield server


# The python backend has no arrays of BF16.
ECHO_OF_BF16 = ECHO.replace(
    b'pb_utils.Tensor("OUT" + name[2:], i.as_numpy())',
    b'pb_utils.Tensor.from_dlpack("OUT", i.to_dlpack())',
)


def load_echo(server, name, inputs, *, max_batch_size=0, code=ECHO):
    """Serve a model that has for every input ``IN…`` an output ``OUT…`` alike."""
    outputs = [
        {key: field for key, field in tensor.items() if key != "optional"}
        | {"name": "OUT" + tensor["name"][2:]}
        for tensor in inputs
        if tensor["name"] != "FAIL"
    ]
    config = {
        "name": name,
        "backend": "python",
        "max_batch_size": max_batch_size,
        "input": inputs,
        "output": outputs,
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
    }
    server.load(name, timeout=60, override=LoadOverride(config, {"1/model.py": code}))


def data_type(datatype):
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


WITH_EVERY_TYPE = [
    {"name": f"IN_{datatype}", "data_type": data_type(datatype), "dims": [-1], "optional": True}
    for datatype in sorted(NUMPY_DTYPES)
]
"""Every signature is a part of this one: loading one for each example would take a second."""


@pytest.fixture(scope="module")
def echo(triton, server):
    load_echo(server, "echo", WITH_EVERY_TYPE, max_batch_size=5)
    return Predictor(server)


@st.composite
def matching(draw):
    """Inputs of some of the types, with the same number of rows, as the model takes them."""
    rows = draw(st.integers(1, 12))
    names = draw(st.sets(st.sampled_from(sorted(NUMPY_DTYPES)), min_size=1, max_size=4))
    inputs = {}
    for datatype in names:
        shape = rows, draw(st.integers(1, 4))
        elements = st.binary(max_size=9) if datatype == "BYTES" else None
        inputs[f"IN_{datatype}"] = draw(
            arrays.arrays(NUMPY_DTYPES[datatype], shape, elements=elements)
        )
    return inputs


def as_sent(array):
    return array.tolist() if array.dtype == object else array


@given(inputs=matching(), as_lists=st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_fits_comes_back_as_it_was(echo, inputs, as_lists):
    raw = {name: array.tolist() for name, array in inputs.items()} if as_lists else inputs
    outputs = echo.predict("echo", raw, timeout=30)["outputs"]
    assert set(outputs.index) == {"OUT" + name[2:] for name in inputs}
    for name, array in inputs.items():
        answer = outputs["OUT" + name[2:]]
        assert answer.dtype == array.dtype
        np.testing.assert_array_equal(as_sent(answer), as_sent(array))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(
    inputs=st.dictionaries(
        st.sampled_from([tensor["name"] for tensor in WITH_EVERY_TYPE]) | st.text(max_size=3),
        ANYTHING,
        max_size=3,
    )
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_anything_comes_back_as_it_was_or_a_clear_error_does(echo, inputs):
    outputs, complaint = answer_or_complaint(echo, inputs)
    if outputs is None:
        assert "do not fit model 'echo'" in complaint
        assert complaint.isprintable()
        return
    for name, value in inputs.items():
        if value is not None:
            answer = outputs["OUT" + name[2:]]
            sent = np.asarray(value, dtype=object).reshape(answer.shape)
            for back, item in zip(answer.ravel(), sent.ravel(), strict=True):
                assert is_same(back, item, answer.dtype)


def answer_or_complaint(predictor, inputs):
    try:
        return predictor.predict("echo", inputs, timeout=30)["outputs"], ""
    except InvalidInputError as error:
        return None, str(error)


def is_same(back, item, dtype):
    if isinstance(item, str):
        return back == item.encode()
    if item is None or (isinstance(item, float) and np.isnan(item)):
        return np.isnan(back)
    if isinstance(item, float) and dtype.kind == "f":
        return back == dtype.type(item)
    return back == item


ECHO_OF_ANY = (
    ECHO.replace(b'pb_utils.Tensor("OUT" + name[2:], i.as_numpy())', b"echo(name, i)")
    + b"""

def echo(name, tensor):
    try:
        return pb_utils.Tensor("OUT" + name[2:], tensor.as_numpy())
    except Exception:  # the python backend has no arrays of BF16
        return pb_utils.Tensor.from_dlpack("OUT" + name[2:], tensor.to_dlpack())
"""
)
DATATYPES = sorted(NUMPY_DTYPES) + ["BF16"] * (ml_dtypes is not None)


@st.composite
def signatures(draw):
    """A batch limit, and inputs of any data types and dims, of which all but the first may be
    optional."""
    inputs = [
        {
            "name": f"IN{number}",
            "data_type": data_type(draw(st.sampled_from(DATATYPES))),
            "dims": draw(st.lists(st.sampled_from([-1, 1, 2, 3]), min_size=1, max_size=3)),
            "optional": number > 0 and draw(st.booleans()),
        }
        for number in range(draw(st.integers(1, 4)))
    ]
    return draw(st.sampled_from([0, 3])), inputs


def tensor(draw, spec, rows):
    datatype = spec["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES")
    shape = rows + tuple(draw(st.integers(1, 3)) if size < 0 else size for size in spec["dims"])
    elements = st.binary(max_size=9) if datatype == "BYTES" else None
    array = draw(arrays.arrays(NUMPY_DTYPES.get(datatype, np.float16), shape, elements=elements))
    return array.astype(ml_dtypes.bfloat16) if datatype == "BF16" else array


def spoilt(draw, inputs, specs):
    """Return inputs of which one surely does not fit, and the word that has to be in the error."""
    spec = draw(st.sampled_from([spec for spec in specs if spec["name"] in inputs]))
    name, array = spec["name"], inputs[spec["name"]]
    kind = draw(st.sampled_from(["unknown", "rank", "value", "missing"]))
    if kind == "unknown":
        return inputs | {"NOBODY": [1]}, "'NOBODY' is unknown"
    if kind == "rank":
        return inputs | {name: array.reshape(1, 1, *array.shape)}, f"'{name}'"
    if kind == "value":
        wrong = np.full(array.shape, 1.5j if spec["data_type"] != "TYPE_STRING" else 1, object)
        return inputs | {name: wrong}, f"'{name}'"
    rest = {key: value for key, value in inputs.items() if key != "IN0"}
    return rest, "'IN0' is missing"


# Each example loads a model: few of them, each asked many times, and none made smaller.
@given(signature=signatures(), data=st.data())
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_models_of_any_signature(server, signature, data):
    max_batch_size, specs = signature
    load_echo(server, "any", specs, max_batch_size=max_batch_size, code=ECHO_OF_ANY)
    predictor = Predictor(server)
    for _ in range(8):
        rows = (data.draw(st.integers(1, 7)),) if max_batch_size else ()
        inputs = {
            spec["name"]: tensor(data.draw, spec, rows)
            for spec in specs
            if not spec["optional"] or data.draw(st.booleans())
        }
        as_lists = data.draw(st.booleans())
        raw = {name: array.tolist() for name, array in inputs.items()} if as_lists else inputs
        outputs = predictor.predict("any", raw, timeout=30)["outputs"]
        assert set(outputs.index) == {"OUT" + name[2:] for name in inputs}
        for name, array in inputs.items():
            answer = outputs["OUT" + name[2:]]
            assert (answer.dtype, answer.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(as_sent(answer), as_sent(array))
        wrong, complaint = spoilt(data.draw, inputs, specs)
        with pytest.raises(InvalidInputError) as caught:
            predictor.predict("any", wrong, timeout=30)
        assert complaint in str(caught.value)
        assert str(caught.value).isprintable()


def test_bfloat16_comes_back(server):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([[1.5, -2, 3e38]], ml_dtypes.bfloat16)
    inputs = [{"name": "IN", "data_type": "TYPE_BF16", "dims": [1, 3]}]
    load_echo(server, "bf16", inputs, code=ECHO_OF_BF16)
    outputs = Predictor(server).predict("bf16", {"IN": array}, timeout=30)["outputs"]
    assert outputs["OUT"].tolist() == array.tolist()


def test_the_first_failure_names_its_rows(server):
    inputs = [
        {"name": "IN", "data_type": "TYPE_INT64", "dims": [1]},
        {"name": "FAIL", "data_type": "TYPE_BOOL", "dims": [1]},
    ]
    load_echo(server, "failing", inputs, max_batch_size=4)
    rows = np.arange(1000).reshape(-1, 1)
    predictor = Predictor(server)
    outputs = predictor.predict("failing", {"IN": rows, "FAIL": rows < 0}, timeout=30)["outputs"]
    assert np.array_equal(outputs["OUT"], rows)
    with pytest.raises(Exception, match=r"told to fail.* This came of rows 500 to 503 of 1000\."):
        predictor.predict("failing", {"IN": rows, "FAIL": rows == 501}, timeout=30)
    assert predictor.predict("failing", {"IN": rows[:9], "FAIL": rows[:9] < 0}, timeout=30).size


def test_one_client_serves_many_threads(triton, server, monkeypatch):
    inputs = [{"name": "IN", "data_type": "TYPE_INT64", "dims": [3]}]
    load_echo(server, "shared", inputs, max_batch_size=4)
    monkeypatch.setenv("TRITON_URL", server.url)
    client = get_deploy_client("triton")

    def ask(number):
        rows = np.full((number % 9 + 1, 3), number)
        return np.array_equal(client.predict("shared", rows).loc["OUT", "outputs"], rows)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


TELLS = b"""\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            told = [request.parameters(), str(request.correlation_id()), request.request_id()]
            rows = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            outputs = [
                pb_utils.Tensor("TOLD", np.array([told] * len(rows), np.object_)),
                pb_utils.Tensor("SCORES", rows),
            ]
            wanted = request.requested_output_names()
            responses.append(
                pb_utils.InferenceResponse([out for out in outputs if out.name() in wanted])
            )
        return responses
"""


@pytest.fixture
def tells(server, monkeypatch):
    """A model that tells what it was told."""
    config = {
        "name": "tells",
        "backend": "python",
        "max_batch_size": 2,
        "input": [{"name": "IN", "data_type": "TYPE_FP32", "dims": [3]}],
        "output": [
            {"name": "TOLD", "data_type": "TYPE_STRING", "dims": [3]},
            {"name": "SCORES", "data_type": "TYPE_FP32", "dims": [3]},
        ],
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
    }
    server.load("tells", timeout=60, override=LoadOverride(config, {"1/model.py": TELLS}))
    monkeypatch.setenv("TRITON_URL", server.url)
    return get_deploy_client("triton")


def test_params_on_the_command_line(tells, tmp_path):
    def predict(document):
        (tmp_path / "in.json").write_text(json.dumps(document))
        options = ["-t", "triton", "--name", "tells", "-I", str(tmp_path / "in.json")]
        return CliRunner().invoke(commands, ["predict", *options])

    parameters = {"sequence_id": "0042", "temperature": 0.5, "count": 2**60, "yes": True}
    params = {"parameters": parameters, "outputs": ["TOLD"], "version": 1, "request_id": "mine"}
    done = predict({"inputs": {"IN": [[1, 2, 3]]}, "params": params})
    assert done.exit_code == 0, done.output
    [[told, sequence, request_id]] = json.loads(done.stdout)["outputs"]["TOLD"]
    assert list(json.loads(done.stdout)["outputs"]) == ["TOLD"]
    del parameters["sequence_id"]
    assert (json.loads(told), sequence, request_id) == (parameters, "0042", "mine")

    wrong = {"temperature": 0.5, "outputs": ["OTHER"]}
    done = predict({"inputs": {"IN": [[1, 2, 3]]}, "params": wrong})
    assert done.exit_code == 1
    assert "'temperature' is unknown" in done.output
    assert "there is no output 'OTHER'" in done.output


def test_options_of_predict(tells):
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)
    frame = tells.predict("tells", rows, outputs={"SCORES": 1}, parameters={"deep": 1})
    assert frame.loc["SCORES", "outputs"].tolist() == [
        [f"{row[2]:f}:2".encode()] for row in rows.tolist()
    ]
    with pytest.raises(MlflowException, match=r"'TOLD' has no numbers"):
        tells.predict("tells", rows, outputs={"TOLD": 1})
    with pytest.raises(MlflowException, match="version 9"):
        tells.predict("tells", rows[:1], version=9)


def test_a_stream_of_answers(server, monkeypatch):
    tensor = {"data_type": "TYPE_FP32", "dims": [-1, 4]}
    config = {
        "name": "rows",
        "backend": "python",
        "model_transaction_policy": {"decoupled": True},
        "input": [{"name": "IN", **tensor}],
        "output": [{"name": "OUT", **tensor}],
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
    }
    files = {"1/model.py": ROWS_MODEL.encode()}
    server.load("rows", timeout=60, override=LoadOverride(config, files))
    monkeypatch.setenv("TRITON_URL", server.url)
    client = get_deploy_client("triton")
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with pytest.raises(MlflowException, match="Use predict_stream"):
        client.predict("rows", rows)
    if not server.streams:
        with pytest.raises(MlflowException, match="grpc://host:8001"):
            next(client.predict_stream("rows", rows))
        return
    frames = list(client.predict_stream("rows", {"IN": rows}))
    assert [frame.loc["OUT", "outputs"].tolist() for frame in frames] == rows[:, None].tolist()
    with pytest.raises(MlflowException, match="negative"):
        list(client.predict_stream("rows", -rows))
