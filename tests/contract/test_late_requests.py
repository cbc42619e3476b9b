"""Law 6 on services: a request that arrives after another operation was at work changes nothing.

Each request that changes something is held on its way, one after another, while another process
takes the lease over, and does an operation of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from tests.contract.test_store_faults import (
    OTHER,
    FakeAges,
    Stage,
    gcs_site,
    s3_site,
)

from triton_deploy_core.errors import DeployError, LeaseLostError
from triton_deploy_core.lease import LEASE_SECONDS
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing import FakeClock, SimpleConfigFormat
from triton_deploy_core.testing.world import version_package
from triton_deploy_storage.testing_proxy import Request

NEXT = b"next weights"


@pytest.fixture(scope="module", params=[s3_site, gcs_site], ids=["s3", "gs"])
def stage(request) -> Iterator[Stage]:
    clock = FakeClock()
    with request.param(request, clock) as site:
        yield Stage(site, clock)


class Held:
    """A rule of the proxy that lets something happen before the n-th change is handed on."""

    def __init__(self, nth: int, meanwhile: Callable[[], None]) -> None:
        self.hit: Request | None = None
        self._left = nth
        self._meanwhile = meanwhile

    def __call__(self, request: Request) -> None:
        if request.method in {"GET", "HEAD"} or self.hit:
            return
        self._left -= 1
        if not self._left:
            self.hit = request
            self._meanwhile()


def _take_over(stage: Stage, service: DeploymentService) -> None:
    """Deploy the next weights, whatever is there; what that leaves is written to `stage.after`."""
    stage.clock.advance(LEASE_SECONDS + 1)
    try:
        service.require_existing("iris")
    except DeployError:
        service.create("iris", version_package(NEXT, 1))
    else:
        service.update("iris", version_package(NEXT, 1))
    stage.after = _models(stage)


def _models(stage: Stage) -> dict[str, bytes]:
    return {key: data for key, data in stage.site.snapshot().items() if not key.startswith(".")}


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_a_late_request_changes_nothing(stage, operation):
    stage.set_up(OTHER)
    before = OTHER if operation == "create" else stage.deployed()
    aging = FakeAges(stage.site.direct, stage.clock, stage.written)
    other = DeploymentService(aging, stage.server, SimpleConfigFormat(), clock=stage.clock)
    # After the probe, and what takes the lease.
    for nth in count(3, 2 if operation == "update" else 4):
        stage.set_up(before)
        rule = stage.site.proxy.rule = Held(nth, lambda: _take_over(stage, other))
        error = None
        try:
            stage.run(operation)
        except DeployError as caught:
            error = caught
        stage.site.proxy.rule = None
        if rule.hit is None:
            assert nth > 6
            return
        where = f"{nth}: {rule.hit}"
        assert isinstance(error, LeaseLostError), f"{where}: {error!r}"
        now = _models(stage)
        late = now.keys() - stage.after.keys()
        assert {key: now[key] for key in now.keys() - late} == stage.after, where
        assert all(key.startswith("iris/2/") for key in late), where
        assert stage.serves() == {NEXT}, where
        other.repair()
        assert _models(stage) == stage.after, where
