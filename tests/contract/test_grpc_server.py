"""`GrpcServer`, with a real Triton behind it, keeps the contract of `InferenceServer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from triton_deploy_core.testing.server_contract import InferenceServerContract
from triton_deploy_transport.grpc import GrpcServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triton_deploy_core.testing.server_harness import ServerHarness


@pytest.fixture(scope="module")
def harness(triton_harness: Any) -> Iterator[ServerHarness]:
    with triton_harness("grpc") as found:
        assert isinstance(found.server, GrpcServer)
        yield found


class TestGrpcServer(InferenceServerContract):
    pass
