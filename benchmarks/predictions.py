"""Predictions through the plugin beside the bare tritonclient, on a real Triton of this machine.

Both sides do the same in turns, one call each. What is kept are the medians of both, and the median
of the ratios within a pair: what else the machine does meets both halves of a pair alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tritonclient.grpc
import tritonclient.http
from mlflow.deployments import get_deploy_client

from benchmarks.results import Result
from benchmarks.sizes import Size
from triton_local_server import LocalTriton

ADD_SUB = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            a, b = (
                pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in ("INPUT0", "INPUT1")
            )
            outputs = [pb_utils.Tensor("OUTPUT0", a + b), pb_utils.Tensor("OUTPUT1", a - b)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""
CONFIG = """\
backend: "python"
max_batch_size: 8
input { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] }
input { name: "INPUT1" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUTPUT1" data_type: TYPE_FP32 dims: [ -1 ] }
instance_group { kind: KIND_CPU count: 1 }
"""
MODEL, BATCH = "add_sub", 8
LEAST_PAIRS = 7
Act = Callable[[], object]
Pairs = list[tuple[float, float]]


def run(size: Size) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory:
        version = Path(directory, MODEL, "1")
        version.mkdir(parents=True)
        (version / "model.py").write_text(ADD_SUB)
        (version.parent / "config.pbtxt").write_text(CONFIG)
        with LocalTriton(directory, load_models=[MODEL]) as triton:
            return [
                *in_python(triton, size.seconds),
                *on_the_command_line(triton, directory, size.commands),
            ]


def in_python(triton: LocalTriton, seconds: float) -> Iterator[Result]:
    address = triton.http_url.removeprefix("http://")
    http = tritonclient.http.InferenceServerClient(address)
    grpc = tritonclient.grpc.InferenceServerClient(triton.grpc_url)
    by_http, by_grpc = f"triton:http://{address}", f"triton:grpc://{triton.grpc_url}"
    wire = "?shared_memory=off"
    small, megabyte, large = tensor(1, 16), tensor(1, 1 << 17), tensor(1, 1 << 23)
    rows = tensor(10_000, 16)
    for case, baseline, bare, target, array in (
        ("1 x 16 floats, HTTP", "HTTP", http, by_http, small),
        ("1 x 16 floats, gRPC", "gRPC", grpc, by_grpc, small),
        ("1 MB, HTTP", "HTTP", http, by_http + wire, megabyte),
        ("1 MB, gRPC", "gRPC", grpc, by_grpc + wire, megabyte),
        ("64 MB, HTTP", "HTTP", http, by_http + wire, large),
        ("64 MB, gRPC", "gRPC", grpc, by_grpc + wire, large),
        ("64 MB, shared memory, HTTP", "HTTP", http, by_http, large),
        ("64 MB, shared memory, gRPC", "HTTP", http, by_grpc, large),
        ("10,000 rows, HTTP", "HTTP, a loop", http, by_http, rows),
        ("10,000 rows, gRPC", "HTTP, a loop", http, by_grpc, rows),
    ):
        client = get_deploy_client(target)
        pairs = paired(of(bare, array), of(client, array), seconds, LEAST_PAIRS)
        yield from results(case, pairs, f"tritonclient alone, {baseline}", "this project")


def on_the_command_line(triton: LocalTriton, directory: str, commands: int) -> Iterator[Result]:
    given = Path(directory, "input.json")
    given.write_text('{"inputs": {"INPUT0": [[1, 2]], "INPUT1": [[3, 4]]}}')
    for case, url in (("HTTP", triton.http_url), ("gRPC", f"grpc://{triton.grpc_url}")):
        pairs = paired(
            lambda url=url: command(url, "help"),
            lambda url=url: command(url, "predict", "--name", MODEL, "-I", str(given)),
            0,
            commands,
        )
        whole = f"a whole command, {case}"
        yield from results(whole, pairs, "mlflow deployments help", "mlflow deployments predict")


def results(case: str, pairs: Pairs, baseline: str, way: str) -> Iterator[Result]:
    """Yield both sides; the ratio is the median of those within a pair."""
    bare, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(our / their for their, our in pairs)
    for name, seconds, ratio_, is_ours in ((baseline, bare, 1.0, False), (way, ours, ratio, True)):
        yield Result("predictions", case, name, is_ours, seconds, "s", ratio_, baseline)


def command(url: str, *arguments: str) -> None:
    program = str(Path(sys.executable).with_name("mlflow"))
    subprocess.run(
        [program, "deployments", arguments[0], "-t", "triton", *arguments[1:]],
        env=os.environ | {"TRITON_URL": url},
        check=True,
        capture_output=True,
    )


def tensor(rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, width), dtype=np.float32)


def of(client: object, array: np.ndarray) -> Act:
    """Return one prediction: of the plugin, or the bare client's in a loop of batches."""
    if hasattr(client, "predict"):
        return lambda: client.predict(MODEL, {"INPUT0": array, "INPUT1": array})
    library = tritonclient.grpc if "grpc" in type(client).__module__ else tritonclient.http

    def bare() -> None:
        for start in range(0, len(array), BATCH):
            batch = array[start : start + BATCH]
            inputs = [library.InferInput(f"INPUT{n}", batch.shape, "FP32") for n in (0, 1)]
            for one in inputs:
                one.set_data_from_numpy(batch)
            answer = client.infer(MODEL, inputs)
            answer.as_numpy("OUTPUT0"), answer.as_numpy("OUTPUT1")

    return bare


def paired(bare: Act, ours: Act, seconds: float, least: int) -> Pairs:
    """Return the seconds that each took, call by call; who goes first changes with each pair."""
    pairs: Pairs = []
    bare(), ours()  # for warming up
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(pairs) < least:
        if len(pairs) % 2:
            pairs.append((timed(bare), timed(ours)))
        else:
            pairs.append((timed(ours), timed(bare))[::-1])
    return pairs


def timed(act: Act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start
