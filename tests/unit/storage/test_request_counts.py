"""What an operation costs does not depend on how many deployments lie beside it."""

from __future__ import annotations

import re

import pytest

from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import version_package
from triton_deploy_storage.s3 import S3Store
from triton_deploy_storage.testing_fast_s3 import FastS3
from triton_deploy_storage.testing_proxy import FaultProxy
from triton_deploy_storage.testing_s3 import CREDENTIALS

MANY = 2500  # more than two pages of a listing


@pytest.fixture
def proxy(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FastS3(verify=True) as server, FaultProxy(server.endpoint) as proxy:
        monkeypatch.setattr(proxy, "direct", server.endpoint, raising=False)
        yield proxy


@pytest.fixture
def service(proxy):
    clock = FakeClock()
    direct, counted = (
        S3Store(f"s3://{endpoint}/models/m", clock=clock)
        for endpoint in (proxy.direct, proxy.endpoint)
    )
    direct._client.get().create_bucket(Bucket="models")
    return DeploymentService(
        counted, SimulatedTriton(direct, clock=clock), SimpleConfigFormat(), clock=clock
    )


def counts(proxy, service):
    """The requests of each step of one deployment's life."""
    found = {}
    for step, act in {
        "create": lambda: service.create("iris", version_package(b"1", 1)),
        "get": lambda: service.get("iris"),
        "update": lambda: service.update("iris", version_package(b"2", 2)),
        "delete": lambda: service.delete("iris"),
    }.items():
        proxy.forget()
        act()
        found[step] = sorted(
            (request.method, re.sub("[0-9a-f]{32}", "TOKEN", request.path))
            for request in (exchange.request for exchange in proxy.exchanges())
        )
    return found


def test_neighbours_cost_nothing(proxy, service):
    alone = counts(proxy, service)
    assert all(alone.values())
    names = [f"iris{number}" for number in range(MANY)]
    records = [
        Transfer(f"{name}/mlflow-meta.json", Content(f'{{"name": "{name}"}}'.encode()))
        for name in names
    ]
    S3Store(f"s3://{proxy.direct}/models/m").transfer(records, NoProgress())
    assert counts(proxy, service) == alone
    proxy.forget()
    assert [deployment.name for deployment in service.list()] == sorted(names)
    # Each record once, and a page of a thousand directories at a time.
    assert proxy.total().requests == MANY + 3
