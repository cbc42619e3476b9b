"""The S3 and the GCS server of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from triton_deploy_storage.testing_gcs import GcsServer
from triton_deploy_storage.testing_s3 import MotoServer


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    with GcsServer() as server:
        yield server
