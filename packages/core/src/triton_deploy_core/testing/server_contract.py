"""The contract of `InferenceServer`, as a suite that an adapter binds.

In a test module of its own::

    @pytest.fixture(scope="module")
    def harness() -> Iterator[ServerHarness]:
        with LocalTriton(...) as triton:
            yield MyHarness(triton)

    class TestHttpServer(InferenceServerContract):
        pass

It asserts what a real Triton 2.51 did, and nothing about time. One server serves all tests:
every test has a model name of its own and leaves the server ready.
"""

from __future__ import annotations

from triton_deploy_core.testing.server_laws.ensembles import EnsembleLaws
from triton_deploy_core.testing.server_laws.failed_loads import FailedLoadLaws
from triton_deploy_core.testing.server_laws.loading import LoadingLaws
from triton_deploy_core.testing.server_laws.requesting import RequestingLaws
from triton_deploy_core.testing.server_laws.serving import ServingLaws
from triton_deploy_core.testing.server_laws.streaming import StreamingLaws


class InferenceServerContract(
    LoadingLaws, FailedLoadLaws, ServingLaws, RequestingLaws, StreamingLaws, EnsembleLaws
):
    """What every `InferenceServer` does. Its module gives the fixture `harness`."""
