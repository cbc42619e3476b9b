"""`S3Store` behaves like a dict, whatever is done to it."""

from __future__ import annotations

import atexit
import uuid
from functools import cache

import pytest
from hypothesis import settings

from triton_deploy_core.clock import SystemClock
from triton_deploy_core.testing.store_machine import store_machine
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer, S3Harness


class NoWaiting(SystemClock):
    def sleep(self, seconds: float) -> None:
        pass


@cache
def server() -> MotoServer:
    moto = MotoServer().__enter__()
    atexit.register(moto.__exit__)
    return moto


def make_harness() -> S3Harness:
    moto = server()
    before = f"s3://{moto.endpoint}/"
    return S3Harness(moto.client(), f"models-{uuid.uuid4().hex}", before=before, clock=NoWaiting())


@pytest.fixture(autouse=True, scope="module")
def _credentials():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


TestS3StoreMachine = store_machine(make_harness).TestCase
TestS3StoreMachine.settings = settings(
    max_examples=10, stateful_step_count=20, deadline=None, derandomize=True
)
