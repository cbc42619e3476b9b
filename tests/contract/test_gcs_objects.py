"""`GcsObjects` keeps the contract of `ObjectReader`."""

from __future__ import annotations

import uuid

import pytest

from triton_deploy_core.testing.object_reader_contract import ObjectReaderContract
from triton_deploy_storage.testing_gcs import GcsObjectHarness, GcsServer


class TestGcsObjects(ObjectReaderContract):
    @pytest.fixture(autouse=True)
    def _server(self, gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in gcs.environment.items():
            monkeypatch.setenv(name, value)
        self.gcs = gcs

    def make_harness(self) -> GcsObjectHarness:
        return GcsObjectHarness(self.gcs, f"models-{uuid.uuid4().hex}")
