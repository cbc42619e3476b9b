"""`LocalStore` keeps the contract of `BlobStore`."""

from __future__ import annotations

from pathlib import Path

from triton_deploy_core.testing.store_contract import BlobStoreContract
from triton_deploy_storage.testing import LocalHarness


class TestLocalStore(BlobStoreContract):
    def make_harness(self, tmp_path: Path) -> LocalHarness:
        return LocalHarness(tmp_path)
