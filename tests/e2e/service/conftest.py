"""The core on a real Triton and a real repository, without MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat
from triton_local_server import LocalTriton

CONFIG = b"""\
backend: "python"
max_batch_size: 0
input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }
instance_group { kind: KIND_CPU count: 1 }
"""
MODEL = """\
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        time.sleep({seconds})
        if {fails}:
            raise ValueError("no such weights")

    def execute(self, requests):
        answer = np.array([{answer}], dtype=np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", answer)]) for _ in requests]
"""
QUESTION = {"IN": np.zeros(1, np.float32)}


def answering(
    answer: int, version: int, *, seconds: float = 0.0, fails: bool = False
) -> VersionPackage:
    """A model whose output is always the same number, and whose load takes so many seconds."""
    code = MODEL.format(answer=answer, seconds=seconds, fails=fails).encode()
    return VersionPackage(
        Origin(f"models:/m/{version}", "triton", version), {"model.py": Content(code)}, CONFIG
    )


@dataclass(frozen=True)
class Site:
    triton: LocalTriton
    repository: Path
    connections: ExitStack = field(default_factory=ExitStack)
    answering = staticmethod(answering)

    def service(self, url: str | None = None, timeout: float = 60.0) -> DeploymentService:
        server = connect(url or self.triton.http_url, request_timeout=30.0)
        self.connections.callback(server.close)
        return DeploymentService(
            open_store(str(self.repository)), server, PbtxtFormat(), timeout=timeout
        )

    def answer(self, name: str) -> int:
        with closing(connect(self.triton.http_url)) as server:
            return int(server.infer(name, QUESTION, timeout=30.0)["OUT"][0])

    def is_ready(self) -> bool:
        with closing(connect(self.triton.http_url)) as server:
            return server.is_ready()

    def files(self) -> Mapping[str, bytes]:
        return {
            path.relative_to(self.repository).as_posix(): path.read_bytes()
            for path in sorted(self.repository.rglob("*"))
            if path.is_file()
            and path.name != ".triton-deploy.lock"
            and "__pycache__" not in path.parts
        }


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    repository = tmp_path_factory.mktemp("models")
    with LocalTriton(repository, disable_auto_complete=True, exit_timeout=0) as triton:
        yield Site(triton, repository)


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The shared server, with no deployment left behind."""
    yield shared_site
    shared_site.connections.close()
    service = shared_site.service()
    service.repair()
    for deployment in service.list():
        service.delete(deployment.name)
    shared_site.connections.close()
    assert shared_site.files() == {}
