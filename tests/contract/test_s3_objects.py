"""`S3Objects` keeps the contract of `ObjectReader`, and tells one service from another."""

from __future__ import annotations

import uuid

import pytest

from triton_deploy_core.testing.object_reader_contract import ObjectReaderContract
from triton_deploy_storage import open_objects
from triton_deploy_storage.s3 import S3Objects
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer, S3ObjectHarness


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


class TestS3Objects(ObjectReaderContract):
    @pytest.fixture(autouse=True)
    def _server(self, moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.endpoint)
        self.moto = moto

    def make_harness(self) -> S3ObjectHarness:
        bucket = f"models-{uuid.uuid4().hex}"
        return S3ObjectHarness(self.moto.client(), bucket, before=f"s3://{self.moto.endpoint}/")


@pytest.mark.parametrize(
    ("repository", "default", "endpoint", "same"),
    [
        ("s3://b/p", None, None, True),
        ("s3://b/p", None, "", True),
        ("s3://b/p", None, "https://s3.eu-west-1.amazonaws.com", True),
        ("s3://b/p", None, "http://minio:9000", False),
        ("s3://b/p", "http://minio:9000", "http://minio:9000/", True),
        ("s3://http://minio:9000/b/p", None, "http://minio:9000", True),
        ("s3://minio:9000/b/p", None, "http://MINIO:9000", True),
        ("s3://https://minio:443/b/p", None, "https://minio", True),
        ("s3://http://minio:9000/b/p", "http://minio:9000", None, True),
        ("s3://http://minio:9000/b/p", None, None, False),
        ("s3://http://minio:9000/b/p", None, "http://minio:9001", False),
        ("s3://http://minio:9000/b/p", None, "http://minio.example:9000", False),
    ],
)
def test_endpoints_that_are_one_service(
    repository: str,
    default: str | None,
    endpoint: str | None,
    same: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if default is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", default)
    assert S3Objects(repository).reaches("s3://artifacts/model", endpoint) is same


@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3:///key",
        "s3://host:9000/bucket",
        "s3://key:secret@bucket/model",
        "s3://arn:aws:s3:us-east-1:1:accesspoint/x/model",
        "s3://bucket/model?versionId=1",
        "s3://bucket/model#part",
        "gs://bucket/model",
    ],
)
def test_uris_that_may_mean_something_else_are_not_reached(uri: str) -> None:
    assert not S3Objects("s3://b/p").reaches(uri, None)


def test_a_directory_is_in_no_service(tmp_path) -> None:
    assert open_objects(str(tmp_path)) is None
    assert open_objects(tmp_path.as_uri()) is None
    assert isinstance(open_objects("s3://bucket/prefix"), S3Objects)
