"""Servers, repositories and tiny ONNX models for the tests of the local server."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from triton_local_server import LocalTriton, ServerEnvironment, ensure_environment

Dims = list[int | str]

PYTHON_MODEL = """
import sys
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        print("executing", len(requests), file=sys.stderr)
        inputs = [pb_utils.get_input_tensor_by_name(r, "x").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x + 1)]) for x in inputs]
"""

PYTHON_CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""


class Api:
    """Triton's HTTP API, with nothing of this project in between."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v2/{path}", data=data)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as error:
            with error:
                content, status = error.read(), error.code
        return status, json.loads(content) if content else None

    def load(self, model: str) -> str | None:
        """Loads `model`; returns None, or the reason why it failed."""
        status, answer = self.call(f"repository/models/{model}/load", {})
        return None if status == 200 else str(answer["error"])

    def config(self, model: str) -> Any:
        return self.call(f"models/{model}/config")[1]

    def infer(
        self, model: str, inputs: list[tuple[str, str, list[int], list[Any]]], *outputs: str
    ) -> dict[str, Any]:
        """Returns output name → (datatype, shape, data)."""
        keys = ("name", "datatype", "shape", "data")
        body: dict[str, Any] = {"inputs": [dict(zip(keys, i, strict=True)) for i in inputs]}
        if outputs:
            body["outputs"] = [{"name": name} for name in outputs]
        status, answer = self.call(f"models/{model}/infer", body)
        if status != 200:
            return {"error": answer["error"]}
        return {o["name"]: (o["datatype"], o["shape"], o["data"]) for o in answer["outputs"]}


class Repository:
    """A model repository on disk and what the tests put into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def onnx(
        self,
        name: str,
        nodes: list[Any],
        inputs: dict[str, tuple[int, Dims]],
        outputs: dict[str, tuple[int, Dims]],
        *,
        config: str | None = None,
        initializers: list[Any] | None = None,
        file: str = "1/model.onnx",
        **save: Any,
    ) -> Path:
        def infos(tensors: dict[str, tuple[int, Dims]]) -> list[Any]:
            return [helper.make_tensor_value_info(n, *t) for n, t in tensors.items()]

        graph = helper.make_graph(nodes, "graph", infos(inputs), infos(outputs), initializers or [])
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        path = self.root / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path, **save)
        if config is not None:
            (self.root / name / "config.pbtxt").write_text(config)
        return path

    def identity(
        self, name: str, kind: int = TensorProto.FLOAT, dims: Dims | None = None, **rest: Any
    ) -> Path:
        shape = ["N", 3] if dims is None else dims
        nodes = [helper.make_node("Identity", ["x"], ["y"])]
        return self.onnx(name, nodes, {"x": (kind, shape)}, {"y": (kind, shape)}, **rest)

    def python(self, name: str, source: str = PYTHON_MODEL, config: str = PYTHON_CONFIG) -> None:
        (self.root / name / "1").mkdir(parents=True)
        (self.root / name / "1/model.py").write_text(source)
        (self.root / name / "config.pbtxt").write_text(config)


@pytest.fixture(scope="session")
def environment() -> ServerEnvironment:
    return ensure_environment()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "models")


@pytest.fixture(scope="session")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("shared") / "models")


@pytest.fixture(scope="session")
def completing(environment: ServerEnvironment, shared_repository: Repository) -> Iterator[Api]:
    """A server that completes configurations (slow to load: Triton starts one more stub)."""
    with LocalTriton(shared_repository.root, exit_timeout=0) as triton:
        yield Api(triton.url)


@pytest.fixture(scope="session")
def strict(environment: ServerEnvironment, shared_repository: Repository) -> Iterator[Api]:
    """A server that completes nothing."""
    root = shared_repository.root
    with LocalTriton(root, disable_auto_complete=True, exit_timeout=0) as triton:
        yield Api(triton.url)


@pytest.fixture
def api() -> type[Api]:
    return Api


def members(marker: str) -> list[int]:
    """Processes whose command line or environment holds `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in text and state != "Z":
            found.append(int(entry.name))
    return found


def eventually(condition: Callable[[], bool], timeout: float = 30) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Traces:
    """What a server whose environment holds `marker` has on this machine."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    @property
    def processes(self) -> list[int]:
        return members(self.marker)

    @property
    def stubs(self) -> list[int]:
        return [pid for pid in self.processes if b"backend_stub" in _command(pid)]

    def gone(self) -> bool:
        return eventually(lambda: not self.processes)

    def shared_memory(self) -> list[str]:
        """Regions of this server's stubs, to be asked for while they live."""
        return [_command(pid).split(b"\0")[2].decode() for pid in self.stubs]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    return Traces(f"LOCAL_TRITON_TEST={tmp_path.as_posix()}")
