"""S3 for contract suites: a server on this machine, and a `StoreHarness` for `S3Store`.

Needs the extra ``s3`` and, for `MotoServer`, ``moto[server]``.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from triton_deploy_core.clock import Clock
from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage.s3 import Limits, S3Store
from triton_deploy_storage.testing_process import ChildServer

# One request after another: moto looks at a condition and writes in two steps.
_PROGRAM = """
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
application = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()
def one_by_one(environ, start_response):
    with lock:
        return application(environ, start_response)
class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log(self, *arguments):
        pass
server = make_server("127.0.0.1", 0, one_by_one, threaded=True, request_handler=Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
"""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""The environment that boto3 and Triton need for a `MotoServer`."""


class MotoServer(ChildServer):
    """An S3 server, for as long as a ``with`` block and never longer than this process."""

    def __init__(self) -> None:
        super().__init__(_PROGRAM, package="moto[server]")

    def client(self) -> Any:
        """Return a plain boto3 client for it."""
        return boto3.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        ).client("s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}))


class S3Harness:
    """A `StoreHarness` that looks at a new bucket with a plain client alone.

    Args:
        client: a plain boto3 client.
        bucket: a name that no bucket has.
        before: what its location has before the bucket: ``s3://`` or ``s3://http://host:port/``.
        clock: the store's.
    """

    prefix = "some/models"

    def __init__(
        self, client: Any, bucket: str, *, before: str, clock: Clock | None = None
    ) -> None:
        self._client = client
        self.bucket = bucket
        self._before = before
        self._clock = clock
        client.create_bucket(Bucket=bucket)
        # Foreign objects that nothing may ever touch or show.
        foreign = ("some/models2/f", "some/modelsf", "some/é %25", "some/", "some/models/")
        self._foreign = dict.fromkeys(foreign, b"")
        for key, data in self._foreign.items():
            client.put_object(Bucket=bucket, Key=key, Body=data)
        self.store = self.another()

    def another(self) -> S3Store:
        """See `StoreHarness.another`."""
        return self._store(self.bucket)

    def missing(self) -> S3Store:
        """See `StoreHarness.missing`."""
        return self._store("no-such-bucket")

    def raw_write(self, key: str, data: bytes) -> None:
        """See `StoreHarness.raw_write`."""
        self._client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}", Body=data)

    def raw_snapshot(self) -> dict[str, bytes]:
        """See `StoreHarness.raw_snapshot`."""
        found = self._objects()
        assert {key: found.pop(key) for key in self._foreign} == self._foreign  # noqa: S101
        uploads = self._client.list_multipart_uploads(Bucket=self.bucket)
        assert not uploads.get("Uploads"), uploads  # noqa: S101
        return {key.removeprefix(f"{self.prefix}/"): data for key, data in found.items()}

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        bucket, key = f"{self.bucket}-elsewhere", "mlflow/1/with space %25/model.onnx"
        self._client.create_bucket(Bucket=bucket)
        self._client.put_object(Bucket=bucket, Key=key, Body=data)
        return StoredObject(f"s3://{bucket}/{key}", len(data))

    def close(self) -> None:
        """See `StoreHarness.close`."""
        for key in self._objects(content=False):
            self._client.delete_object(Bucket=self.bucket, Key=key)
        self._client.delete_bucket(Bucket=self.bucket)

    def _store(self, bucket: str) -> S3Store:
        # Small, so that parts and copies in parts are among what the suites try.
        limits = Limits(part=5 << 20, copy_part=5 << 20, whole_copy=6 << 20, workers=8)
        return S3Store(f"{self._before}{bucket}/{self.prefix}", limits=limits, clock=self._clock)

    def _objects(self, *, content: bool = True) -> dict[str, bytes]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key: self._read(key) if content else b"" for key in keys}

    def _read(self, key: str) -> bytes:
        with self._client.get_object(Bucket=self.bucket, Key=key)["Body"] as body:
            data: bytes = body.read()
            return data
