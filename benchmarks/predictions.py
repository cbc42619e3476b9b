"""Predictions through the plugin beside the bare tritonclient, on a real Triton of this machine.

    python benchmarks/predictions.py [rounds]

needs ``tritonclient[http,grpc]``. Both sides send the same tensors to the same model, in turn;
shown are medians, in milliseconds, and their ratio.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tritonclient.grpc
import tritonclient.http
from mlflow.deployments import get_deploy_client

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
Run = Callable[[], object]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        version = Path(directory, MODEL, "1")
        version.mkdir(parents=True)
        (version / "model.py").write_text(ADD_SUB)
        (version.parent / "config.pbtxt").write_text(CONFIG)
        with LocalTriton(directory, load_models=[MODEL]) as triton:
            over_the_wire(triton, rounds)
            on_the_command_line(triton, directory, rounds)


def over_the_wire(triton: LocalTriton, rounds: int) -> None:
    http = tritonclient.http.InferenceServerClient(triton.http_url.removeprefix("http://"))
    grpc = tritonclient.grpc.InferenceServerClient(triton.grpc_url)
    plugin_http = get_deploy_client(f"triton:http://{triton.http_url.removeprefix('http://')}")
    plugin_grpc = get_deploy_client(f"triton:grpc://{triton.grpc_url}")
    small, rows = tensor(1, 16), tensor(10_000, 16)
    for what, bare, ours, repeat, wanted in (
        ("1 x 16 floats, HTTP", of(http, small), of(plugin_http, small), 300, 1.0),
        ("1 x 16 floats, gRPC", of(grpc, small), of(plugin_grpc, small), 300, 1.1),
        ("1 MB, HTTP", of(http, tensor(1, 1 << 17)), of(plugin_http, tensor(1, 1 << 17)), 20, 1.05),
        ("64 MB, HTTP", of(http, tensor(1, 1 << 23)), of(plugin_http, tensor(1, 1 << 23)), 3, 1.05),
        ("10,000 rows, HTTP", of(http, rows), of(plugin_http, rows), 1, 1 / 2.5),
        ("10,000 rows, gRPC", of(http, rows), of(plugin_grpc, rows), 1, 1.0),
    ):
        compare(what, bare, ours, rounds=rounds, repeat=repeat, wanted=wanted)


def on_the_command_line(triton: LocalTriton, directory: str, rounds: int) -> None:
    given = Path(directory, "input.json")
    given.write_text('{"inputs": {"INPUT0": [[1, 2]], "INPUT1": [[3, 4]]}}')
    predict = "predict", "--name", MODEL, "-I", str(given)
    compare(
        "the command predict beside help",
        lambda: command(triton, "help"),
        lambda: command(triton, *predict),
        rounds=rounds,
        repeat=1,
        wanted=None,
    )


def command(triton: LocalTriton, *arguments: str) -> None:
    program = str(Path(sys.executable).with_name("mlflow"))
    subprocess.run(
        [program, "deployments", arguments[0], "-t", "triton", *arguments[1:]],
        env=os.environ | {"TRITON_URL": triton.http_url},
        check=True,
        capture_output=True,
    )


def tensor(rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, width), dtype=np.float32)


def of(client: object, array: np.ndarray) -> Run:
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


def compare(
    what: str, bare: Run, ours: Run, *, rounds: int, repeat: int, wanted: float | None
) -> None:
    timed: dict[Run, list[float]] = {bare: [], ours: []}
    for _ in range(rounds + 1):  # the first is for warming up
        for run, times in timed.items():
            times.append(median_ms(run, repeat))
    first, second = (statistics.median(times[1:]) for times in timed.values())
    verdict = (
        f"{second - first:+.0f} ms" if wanted is None else f"x {second / first:.2f} of {wanted:.2f}"
    )
    print(f"{what:32} bare {first:8.2f} ms   plugin {second:8.2f} ms   {verdict}", flush=True)


def median_ms(run: Run, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
