"""What a request says beside its inputs reaches the model alike over HTTP and gRPC; streams end."""

from __future__ import annotations

import json
import time
from contextlib import closing

import numpy as np
import pytest

from triton_deploy_core.errors import RequestRefusedError, ServerTimeoutError
from triton_deploy_core.ports.request_options import (
    RequestedOutput,
    RequestOptions,
    SequenceStep,
)
from triton_deploy_core.ports.server import LoadOverride
from triton_deploy_transport import connect

ONE = {"IN": np.ones((1, 1), np.int32)}
HEAD = """\
import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
"""
TELLS = (
    HEAD
    + """\
    def execute(self, requests):
        return [self.told(request) for request in requests]

    def told(self, request):
        told = {
            "parameters": json.loads(request.parameters()),
            "id": request.request_id(),
            "sequence": request.correlation_id(),
            "flags": request.flags(),
            "timeout": request.timeout(),
            "outputs": sorted(request.requested_output_names()),
        }
        text = np.array([[json.dumps(told).encode()]], np.object_)
        tensors = [pb_utils.Tensor("OUT", text), pb_utils.Tensor("OTHER", text)]
        wanted = [tensor for tensor in tensors if tensor.name() in told["outputs"]]
        return pb_utils.InferenceResponse(wanted)
"""
)
ADDS_UP = (
    HEAD
    + """\
    def execute(self, requests):
        return [self.sum_of(request) for request in requests]

    def sum_of(self, request):
        given = {tensor.name(): tensor.as_numpy().ravel()[0] for tensor in request.inputs()}
        if given["START"]:
            self.sums = getattr(self, "sums", {}) | {given["ID"]: 0}
        self.sums[given["ID"]] += int(given["IN"])
        found = [self.sums[given["ID"]], given["ID"], given["END"]]
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array([found], np.int32))])
"""
)
# It answers once, then nothing more until it is cancelled, which it tells by serving again.
WAITS = (
    HEAD
    + """\
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            number = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", number)]))
            end = time.monotonic() + 60 * float(number.ravel()[0])
            while time.monotonic() < end and not sender.is_cancelled():
                time.sleep(0.01)
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
)
LEVELS = {"priority_levels": 3, "default_priority_level": 1}
CONTROLS = [
    ("START", {"kind": "CONTROL_SEQUENCE_START", "int32_false_true": [0, 1]}),
    ("END", {"kind": "CONTROL_SEQUENCE_END", "int32_false_true": [0, 1]}),
    ("ID", {"kind": "CONTROL_SEQUENCE_CORRID", "data_type": "TYPE_UINT64"}),
]


def load(server, name, code, outputs, **fields):
    config = {
        "name": name,
        "backend": "python",
        "input": [{"name": "IN", "data_type": "TYPE_INT32", "dims": [1]}],
        "output": [
            {"name": key, "data_type": data_type, "dims": [-1]}
            for key, data_type in outputs.items()
        ],
        "max_batch_size": 1,
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
    }
    server.load(name, timeout=60, override=LoadOverride(config | fields, {"1/model.py": code}))


@pytest.fixture(scope="module", params=["http", "grpc"])
def server(request, transport_triton):
    address = transport_triton.grpc_url if request.param == "grpc" else transport_triton.http_url
    with closing(connect(f"{request.param}://{address}")) as server:
        yield server


def test_the_model_is_told_the_options(server):
    texts = {"OUT": "TYPE_STRING", "OTHER": "TYPE_STRING"}
    load(server, "tells", TELLS.encode(), texts, dynamic_batching=LEVELS)

    def told(options):
        outputs = server.infer("tells", ONE, timeout=30, options=options)
        return set(outputs), json.loads(next(iter(outputs.values())).item())

    plain = {
        "parameters": {},
        "id": "",
        "sequence": 0,
        "flags": 0,
        "timeout": 0,
        "outputs": ["OTHER", "OUT"],
    }
    assert told(None) == ({"OUT", "OTHER"}, plain)
    assert told(RequestOptions()) == ({"OUT", "OTHER"}, plain)
    parameters = {"yes": True, "count": -(2**63), "share": 0.25, "text": "\u00fcber"}
    options = RequestOptions(
        request_id="mine",
        parameters=parameters,
        sequence=SequenceStep("seven", start=True, end=True),
        priority=2,
        queue_timeout=1.5,
        outputs=(RequestedOutput("OTHER"),),
    )
    assert told(options) == (
        {"OTHER"},
        {
            "parameters": parameters,
            "id": "mine",
            "sequence": "seven",
            "flags": 3,
            "timeout": 1_500_000,
            "outputs": ["OTHER"],
        },
    )
    last = RequestOptions(sequence=SequenceStep(2**63 - 1))
    assert told(last)[1]["sequence"] == 2**63 - 1
    [outputs] = server.infer_many("tells", [ONE], timeout=30, options=options)
    assert json.loads(outputs["OTHER"].item())["id"] == "mine"
    if server.streams:
        [outputs] = server.infer_stream("tells", ONE, timeout=30, options=options)
        assert json.loads(outputs["OTHER"].item())["parameters"] == parameters


def test_sequences_with_controls(server):
    controls = [{"name": name, "control": [control]} for name, control in CONTROLS]
    batching = {
        "control_input": controls,
        "max_sequence_idle_microseconds": 600_000_000,
        "oldest": {"max_candidate_sequences": 2},
    }
    load(server, "adds", ADDS_UP.encode(), {"OUT": "TYPE_INT32"}, sequence_batching=batching)

    def add(sequence):
        options = RequestOptions(sequence=sequence)
        return server.infer("adds", ONE, timeout=30, options=options)["OUT"][0].tolist()

    assert add(SequenceStep(5, start=True)) == [1, 5, 0]
    assert add(SequenceStep(6, start=True)) == [1, 6, 0]
    assert add(SequenceStep(5)) == [2, 5, 0]
    assert add(SequenceStep(5, end=True)) == [3, 5, 1]
    assert add(SequenceStep(6, end=True)) == [2, 6, 1]
    with pytest.raises(RequestRefusedError, match="START"):
        add(SequenceStep(5))


def test_a_stream_that_waits(server):
    if not server.streams:
        pytest.skip("HTTP has no streams")
    decoupled = {"model_transaction_policy": {"decoupled": True}}
    load(server, "waits", WAITS.encode(), {"OUT": "TYPE_INT32"}, **decoupled)
    zero = {"IN": np.zeros((1, 1), np.int32)}

    left = server.infer_stream("waits", ONE, timeout=60)
    next(left)
    left.close()
    # There is one instance: it answers another only when it has seen that it was cancelled.
    assert len(list(server.infer_stream("waits", zero, timeout=30))) == 1

    late = server.infer_stream("waits", ONE, timeout=0.5)
    next(late)
    with pytest.raises(ServerTimeoutError):
        next(late)
    assert len(list(server.infer_stream("waits", zero, timeout=30))) == 1

    slow_taker = server.infer_stream("waits", zero, timeout=0.5)
    next(slow_taker)
    time.sleep(1)
    assert list(slow_taker) == []
    server.unload("waits", timeout=60)
