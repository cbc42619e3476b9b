"""`HttpServer`, with a real Triton behind it, keeps the contract of `InferenceServer`."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_transport.http import HttpServer
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from triton_deploy_core.ports.server import InferenceServer

IDENTITY = """\
import triton_python_backend_utils as pb_utils

TAG = {tag!r}


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            array = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)]))
        return responses
"""


class HttpHarness(ServerHarness):
    """A Triton of this machine and its repository, a local directory."""

    def __init__(self, triton: LocalTriton, repository: Path) -> None:
        self.server = HttpServer(triton.url)
        self._repository = repository

    def put(self, key: str, data: bytes) -> None:
        path = self._repository / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self, key: str) -> None:
        path = self._repository / key
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def identity(self, datatype: str, tag: str) -> Mapping[str, bytes]:
        return {"model.py": IDENTITY.format(tag=tag).encode()}

    def broken(self) -> Mapping[str, bytes]:
        return {"model.py": b"raise ValueError('broken')"}

    def unreachable(self) -> InferenceServer:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        return HttpServer(f"127.0.0.1:{port}")

    def not_explicit(self) -> AbstractContextManager[InferenceServer]:
        return _polling(self._repository.with_name("polled"))


@contextmanager
def _polling(repository: Path) -> Iterator[InferenceServer]:
    repository.mkdir(exist_ok=True)
    with (
        LocalTriton(repository, model_control_mode="none", exit_timeout=0) as triton,
        closing(HttpServer(triton.url)) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHarness]:
    repository = tmp_path_factory.mktemp("contract") / "models"
    repository.mkdir()
    with LocalTriton(repository, exit_timeout=0) as triton:
        found = HttpHarness(triton, repository)
        with closing(found.server):
            yield found


class TestHttpServer(InferenceServerContract):
    pass
