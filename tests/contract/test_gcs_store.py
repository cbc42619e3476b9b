"""`GcsStore` keeps the contract of `BlobStore`."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from triton_deploy_core.ports.store import LocalFile, StoredBlob, Transfer
from triton_deploy_core.testing.store_contract import BlobStoreContract
from triton_deploy_core.testing.store_laws.fixtures import ODD_SEGMENTS, RecordedProgress
from triton_deploy_core.testing.store_laws.transferring import LARGE
from triton_deploy_storage.testing_gcs import GcsHarness, GcsServer
from triton_deploy_storage.testing_proxy import Break, FaultProxy, OnNth


class TestGcsStore(BlobStoreContract):
    many = 250  # more than one page of the harness's stores
    # The service takes no line breaks in names.
    odd_segments = tuple(part for part in ODD_SEGMENTS if "\n" not in part)

    @pytest.fixture(autouse=True)
    def _server(self, gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in gcs.environment.items():
            monkeypatch.setenv(name, value)
        self.gcs = gcs

    def make_harness(self, tmp_path: Path) -> GcsHarness:
        return GcsHarness(self.gcs, f"models-{uuid.uuid4().hex}")

    @pytest.mark.parametrize(("fault", "nth"), [(Break.AFTER, 2), (Break.WITHIN_HEAD, 6)])
    def test_a_large_upload_goes_on_after_a_fault(
        self, harness: GcsHarness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault, nth
    ) -> None:
        (tmp_path / "large").write_bytes(LARGE)
        progress = RecordedProgress()
        with FaultProxy(self.gcs.endpoint) as proxy:
            proxy.rule = OnNth(fault, nth=nth, when=lambda request: request.method == "PUT")
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
            harness.another().transfer(
                [Transfer("iris/1/m", LocalFile(tmp_path / "large", len(LARGE)))], progress
            )
            assert proxy.rule.hit
        assert harness.raw_snapshot() == {"iris/1/m": LARGE}
        assert sum(progress.pieces) == len(LARGE)

    def test_a_large_object_is_copied_in_several_calls(self, harness: GcsHarness) -> None:
        harness.raw_write("iris/1/m", LARGE)
        progress = RecordedProgress()
        outside = harness.stored_object(LARGE)
        harness.store.transfer(
            [
                Transfer("iris/2/m", StoredBlob("iris/1/m", len(LARGE))),
                Transfer("iris/3/m", outside),
                Transfer("iris/1/m", StoredBlob("iris/1/m", len(LARGE))),
            ],
            progress,
        )
        assert harness.raw_snapshot() == {f"iris/{number}/m": LARGE for number in (1, 2, 3)}
        assert sum(progress.pieces) == 3 * len(LARGE)
        assert len(progress.pieces) == 5
