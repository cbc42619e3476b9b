"""The servers of the contract suites: S3, GCS, Triton."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.testing.server_harness import ServerHarness
from triton_deploy_storage.testing_gcs import GcsServer
from triton_deploy_storage.testing_s3 import MotoServer
from triton_deploy_transport import connect
from triton_deploy_transport.testing import TritonHarness
from triton_local_server import LocalTriton


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    with GcsServer() as server:
        yield server


@pytest.fixture(scope="session")
def triton_harness(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], AbstractContextManager[ServerHarness]]:
    """Return a function: a protocol (http, grpc) → the suite's harness on a real Triton."""

    @contextmanager
    def start(scheme: str) -> Iterator[ServerHarness]:
        @contextmanager
        def polling() -> Iterator[InferenceServer]:
            polled = tmp_path_factory.mktemp("polled")
            with (
                LocalTriton(polled, model_control_mode="none", exit_timeout=0) as triton,
                closing(_connected(triton, scheme)) as server,
            ):
                yield server

        repository = tmp_path_factory.mktemp("contract") / "models"
        repository.mkdir()
        with (
            LocalTriton(repository, exit_timeout=0) as triton,
            closing(_connected(triton, scheme)) as server,
        ):
            yield TritonHarness(
                server,
                repository,
                unreachable=lambda: connect(f"{scheme}://127.0.0.1:{_unused_port()}"),
                not_explicit=polling,
            )

    return start


def _connected(triton: LocalTriton, scheme: str) -> InferenceServer:
    address = triton.grpc_url if scheme == "grpc" else triton.http_url
    return connect(f"{scheme}://{address}")


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
