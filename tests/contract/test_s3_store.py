"""`S3Store` keeps the contract of `BlobStore`, with Triton's endpoint grammar and without."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import ClassVar

import pytest

from triton_deploy_core.ports.store import StoredBlob, Transfer
from triton_deploy_core.testing.store_contract import BlobStoreContract
from triton_deploy_core.testing.store_laws.fixtures import ODD_SEGMENTS, RecordedProgress
from triton_deploy_core.testing.store_laws.transferring import LARGE
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer, S3Harness


class S3Contract(BlobStoreContract):
    many = 100  # more than one page of the harness
    before: ClassVar[str] = "s3://"

    @pytest.fixture(autouse=True)
    def _server(self, moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        self.moto = moto
        self.set_up(monkeypatch)

    def set_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raise NotImplementedError

    def make_harness(self, tmp_path: Path) -> S3Harness:
        bucket = f"models-{uuid.uuid4().hex}"
        return S3Harness(self.moto.client(), bucket, before=self.before)


class TestBucket(S3Contract):
    # moto's URL routing takes no line break, which S3 does.
    odd_segments = tuple(part for part in ODD_SEGMENTS if "\n" not in part)

    def set_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", self.moto.endpoint)

    def test_a_large_object_is_copied_in_parts(self, harness: S3Harness) -> None:
        data = LARGE[: 12 << 20]  # above the harness's limit for one copy
        harness.raw_write("iris/1/m", data)
        progress = RecordedProgress()
        outside = harness.stored_object(data)
        harness.store.transfer(
            [
                Transfer("iris/2/m", StoredBlob("iris/1/m", len(data))),
                Transfer("iris/3/m", outside),
                Transfer("iris/1/m", StoredBlob("iris/1/m", len(data))),
            ],
            progress,
        )
        assert harness.raw_snapshot() == {f"iris/{number}/m": data for number in (1, 2, 3)}
        assert sum(progress.pieces) == 3 * len(data)
        plain = self.moto.client()
        head = plain.head_object(Bucket=harness.bucket, Key=f"{harness.prefix}/iris/2/m")
        assert head["ETag"].endswith('-3"')


class TestEndpoint(S3Contract):
    odd_segments = (".hidden", "...", "-dash", "_", "0", "UPPER")

    def set_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        type(self).before = f"s3://{self.moto.endpoint}/"
