"""HTTP and gRPC tell the same of one real server, and carry the same tensors."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.errors import LoadTimeoutError, NotTritonError
from triton_deploy_transport import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from triton_deploy_core.ports.server import InferenceServer
    from triton_local_server import LocalTriton

RICH = """\
backend: "python"
max_batch_size: 8
version_policy { specific { versions: [ 1 ] } }
input [
  { name: "IN" data_type: TYPE_BF16 dims: [ -1 ] allow_ragged_batch: true },
  { name: "OTHER" data_type: TYPE_STRING dims: [ 2, 3 ] reshape { shape: [ 6 ] } optional: true }
]
output { name: "OUT" data_type: TYPE_BF16 dims: [ -1 ] label_filename: "labels.txt" }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
  priority_levels: 2
  default_priority_level: 1
  priority_queue_policy { key: 1 value { default_timeout_microseconds: 5000000 } }
}
instance_group { kind: KIND_CPU count: 2 rate_limiter { resources { name: "r" count: 1 } } }
parameters { key: "b" value { string_value: "1" } }
parameters { key: "a" value { string_value: "\\303\\251" } }
model_warmup { name: "w" batch_size: 1 inputs { key: "IN" value {
  data_type: TYPE_BF16 dims: [ 4 ] zero_data: true } } }
response_cache { enable: false }
"""
# It runs on no data but the warm-up's, which numpy has no type for.
DEAF = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([]) for _ in requests]
"""


@pytest.fixture
def by_grpc(transport_triton: LocalTriton) -> Iterator[InferenceServer]:
    with closing(connect(f"grpc://{transport_triton.grpc_url}")) as server:
        yield server


def _common(given: object, other: object) -> object:
    """The part of `given` whose keys `other` knows: releases add fields."""
    if isinstance(given, dict) and isinstance(other, dict):
        return {key: _common(given[key], other[key]) for key in given if key in other}
    if isinstance(given, list) and isinstance(other, list) and len(given) == len(other):
        return [_common(*pair) for pair in zip(given, other, strict=True)]
    return given


def test_both_protocols_tell_the_same(
    server: InferenceServer, by_grpc: InferenceServer, transport_repository: Path
) -> None:
    place = transport_repository / "rich"
    (place / "1").mkdir(parents=True)
    (place / "config.pbtxt").write_text(RICH)
    (place / "labels.txt").write_text("a\nb\n")
    (place / "1" / "model.py").write_text(DEAF)
    by_grpc.load("identity_FP32", timeout=60)
    server.infer("identity_FP32", {"IN": np.ones((2, 2), np.float32)}, timeout=30)
    # A request is counted after it was answered.
    counted = Deadline.after(30, SystemClock()).wait_for(
        lambda: server.statistics("identity_FP32")[0].inference_count == 1
    )
    assert counted
    for name in ("identity_FP32", "rich"):
        if name == "rich":
            by_grpc.load(name, timeout=60)
        assert by_grpc.metadata(name) == server.metadata(name)
        assert by_grpc.statistics(name) == server.statistics(name)
        theirs = server.config(name)
        assert _common(by_grpc.config(name), theirs) == theirs
    assert by_grpc.loaded() == server.loaded()
    assert by_grpc.ready_versions("rich") == {1}
    assert sorted(by_grpc.index(), key=str) == sorted(server.index(), key=str)
    for name in ("rich", "identity_FP32"):
        by_grpc.unload(name, timeout=60)


@pytest.mark.parametrize("datatype", ["BYTES", "FP16", "BOOL", "UINT64"])
def test_tensors_of_many_kinds(by_grpc: InferenceServer, datatype: str) -> None:
    name = f"identity_{datatype}"
    by_grpc.load(name, timeout=60)
    for shape in ((0, 3), (1, 1), (300, 7)):
        numbers = np.arange(np.prod(shape)).reshape(shape)
        sent = numbers.astype(NUMPY_DTYPES[datatype])
        if datatype == "BYTES":
            sent = np.array([b"\xff" * (n % 9) for n in numbers.ravel()], np.object_).reshape(shape)
        received = by_grpc.infer(name, {"IN": sent}, timeout=30)["OUT"]
        assert (received.dtype, received.shape) == (sent.dtype, sent.shape)
        assert received.tolist() == sent.tolist()
    by_grpc.unload(name, timeout=60)


def test_more_than_grpc_takes_unless_told_otherwise(by_grpc: InferenceServer) -> None:
    by_grpc.load("identity_UINT8", timeout=60)
    sent = np.arange(40 << 20, dtype=np.uint8).reshape(1, -1)
    received = by_grpc.infer("identity_UINT8", {"IN": sent}, timeout=60)["OUT"]
    assert np.array_equal(sent, received)
    by_grpc.unload("identity_UINT8", timeout=60)


def test_a_load_outlives_its_deadline_and_succeeds_later(by_grpc: InferenceServer) -> None:
    with pytest.raises(LoadTimeoutError, match="'slow'"):
        by_grpc.load("slow", timeout=0.5)
    by_grpc.load("slow", timeout=60)
    assert by_grpc.ready_versions("slow") == {1}
    by_grpc.unload("slow", timeout=60)


def test_the_other_protocol_s_port(transport_triton: LocalTriton) -> None:
    for url, way_out in (
        (f"grpc://{transport_triton.http_url}", "write http:// for its HTTP port"),
        (f"http://{transport_triton.grpc_url}", "write grpc:// for the gRPC port"),
    ):
        with closing(connect(url)) as server, pytest.raises(NotTritonError, match=way_out):
            server.load("identity_FP32", timeout=10)


def test_requests_that_are_not_waited_for_do_not_harm_the_server(
    by_grpc: InferenceServer,
) -> None:
    """Triton may never unload a model of which a request was cancelled just as it was answered."""
    name = "identity_FP32"
    by_grpc.load(name, timeout=60)
    requests = [{"IN": np.ones((2, 4), np.float32)}] * 8
    for _ in range(60):
        answers = by_grpc.infer_many(name, requests, timeout=30)
        next(answers)
        answers.close()
    by_grpc.unload(name, timeout=60)
    assert Deadline.after(30, SystemClock()).wait_for(by_grpc.is_ready)
    assert not by_grpc.ready_versions(name)
