"""`GcsStore` behaves like a dict, whatever is done to it."""

from __future__ import annotations

import atexit
import uuid
from functools import cache

import pytest
from hypothesis import settings

from triton_deploy_core.testing.store_machine import store_machine
from triton_deploy_storage.testing_gcs import GcsHarness, GcsServer


@cache
def server() -> GcsServer:
    gcs = GcsServer().__enter__()
    atexit.register(gcs.__exit__)
    return gcs


def make_harness() -> GcsHarness:
    return GcsHarness(server(), f"models-{uuid.uuid4().hex}")


@pytest.fixture(autouse=True, scope="module")
def _environment():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server().environment.items():
            patch.setenv(name, value)
        yield


TestGcsStoreMachine = store_machine(make_harness).TestCase
TestGcsStoreMachine.settings = settings(
    max_examples=10, stateful_step_count=20, deadline=None, derandomize=True
)
