"""A real Triton with a model that gives back what it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_transport.http import HttpServer
from triton_deploy_transport.testing import IDENTITY_MODEL
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def identity_config(datatype: str) -> str:
    data_type = {"BYTES": "TYPE_STRING"}.get(datatype, f"TYPE_{datatype}")
    return f"""\
backend: "python"
max_batch_size: 0
input {{ name: "IN" data_type: {data_type} dims: [ -1, -1 ] }}
output {{ name: "OUT" data_type: {data_type} dims: [ -1, -1 ] }}
instance_group {{ kind: KIND_CPU count: 1 }}
"""


def write_model(repository: Path, name: str, config: str, code: str = IDENTITY_MODEL) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)
    (repository / name / "1" / "model.py").write_text(code)


@pytest.fixture(scope="session")
def transport_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("transport-models")
    for datatype in NUMPY_DTYPES:
        write_model(repository, f"identity_{datatype}", identity_config(datatype))
    write_model(
        repository,
        "slow",
        identity_config("FP32"),
        "import time\n"
        + IDENTITY_MODEL.replace(
            "    def execute",
            "    def initialize(self, args):\n        time.sleep(3)\n\n    def execute",
        ),
    )
    return repository


@pytest.fixture(scope="session")
def transport_triton(transport_repository: Path) -> Iterator[LocalTriton]:
    with LocalTriton(transport_repository, exit_timeout=0) as triton:
        yield triton


@pytest.fixture
def server(transport_triton: LocalTriton) -> Iterator[HttpServer]:
    http = HttpServer(transport_triton.url)
    yield http
    http.close()
