"""What a round costs on S3: with all as recorded, a listing, and nothing for each deployment."""

from __future__ import annotations

import math

import pytest

from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import CONFIG
from triton_deploy_storage.s3 import S3Store
from triton_deploy_storage.testing_fast_s3 import FastS3
from triton_deploy_storage.testing_proxy import FaultProxy
from triton_deploy_storage.testing_s3 import CREDENTIALS

MODELS = 1000
FILES_EACH = 3
PAGES = math.ceil(MODELS * FILES_EACH / 1000)


@pytest.fixture
def proxy(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FastS3() as server, FaultProxy(server.endpoint) as proxy:
        monkeypatch.setattr(proxy, "direct", server.endpoint, raising=False)
        yield proxy


def _files(name: str) -> dict[str, bytes]:
    record = f'{{"name": "{name}"}}'.encode()
    return {"mlflow-meta.json": record, "config.pbtxt": CONFIG, "1/model.onnx": b"weights"}


def test_a_thousand_models(proxy):
    clock = FakeClock()
    direct, counted = (
        S3Store(f"s3://{endpoint}/models/m", clock=clock)
        for endpoint in (proxy.direct, proxy.endpoint)
    )
    direct._client.get().create_bucket(Bucket="models")
    names = [f"iris{number}" for number in range(MODELS)]
    direct.transfer(
        [
            Transfer(f"{name}/{path}", Content(data))
            for name in names
            for path, data in _files(name).items()
        ],
        NoProgress(),
    )
    server = SimulatedTriton(direct, clock=clock)
    service = DeploymentService(counted, server, SimpleConfigFormat(), clock=clock)
    reconciler = service.reconciler(parallelism=16)

    first = reconciler.round()
    assert first.is_settled
    assert len(server.loaded()) == MODELS
    # Of each name the lease (there is none), a listing, the configuration and the record.
    assert proxy.total().requests == PAGES + 4 * MODELS

    proxy.forget()
    calls = len(server.calls)
    assert reconciler.round().is_settled
    assert proxy.total().requests == PAGES
    assert len(server.calls) - calls <= 4

    direct.write("iris7/config.pbtxt", CONFIG + b"# changed\n")
    clock.advance(5)
    proxy.forget()
    calls = len(server.calls)
    changed = reconciler.round()
    assert [report.name for report in changed.reports if report.done] == ["iris7"]
    assert proxy.total().requests == PAGES + 4
    assert [call.name for call in server.calls[calls:] if call.method == "load"] == ["iris7"]
