"""S3 for contract suites: a server on this machine, and a `StoreHarness` for `S3Store`.

Needs the extra ``s3`` and, for `MotoServer`, ``moto[server]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import boto3
from botocore.config import Config

from triton_deploy_core.clock import Clock
from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage.s3 import Limits, S3Objects, S3Store
from triton_deploy_storage.testing_process import ChildServer
from triton_deploy_storage.testing_proxy import Answer, Break, Fault, FaultProxy

_KEYS = 1000
# One request after another: moto looks at a condition and writes in two steps.
_PROGRAM = """
import sys, threading
from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
application = create_backend_app("s3")
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
        self._client: Any = None

    def client(self) -> Any:
        """Return a plain boto3 client for it, always the same."""
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Any:
        return boto3.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        ).client("s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}))


class BucketContent:
    """All objects of a bucket, by a plain client; no content is read a second time."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._known: dict[tuple[str, str], bytes] = {}

    def read(self) -> dict[str, bytes]:
        """Return key → content; fail if an upload in parts is left unfinished."""
        uploads = self._client.list_multipart_uploads(Bucket=self._bucket)
        assert not uploads.get("Uploads"), uploads  # noqa: S101
        return {key: self._content(key, tag) for key, tag in self._tags().items()}

    def remove(self) -> None:
        """Delete all."""
        names = [{"Key": key} for key in self._tags()]
        for first in range(0, len(names), _KEYS):
            batch = {"Objects": names[first : first + _KEYS]}
            self._client.delete_objects(Bucket=self._bucket, Delete=batch)

    def _tags(self) -> dict[str, str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}

    def _content(self, key: str, tag: str) -> bytes:
        if (key, tag) not in self._known:
            with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                self._known[key, tag] = body.read()
        return self._known[key, tag]


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
        self._objects = BucketContent(client, bucket)
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
        found = self._objects.read()
        assert {key: found.pop(key) for key in self._foreign} == self._foreign  # noqa: S101
        return {key.removeprefix(f"{self.prefix}/"): data for key, data in found.items()}

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        bucket, key = f"{self.bucket}-elsewhere", "mlflow/1/with space %25/model.onnx"
        self._client.create_bucket(Bucket=bucket)
        self._client.put_object(Bucket=bucket, Key=key, Body=data)
        return StoredObject(f"s3://{bucket}/{key}", len(data))

    def close(self) -> None:
        """See `StoreHarness.close`."""
        self._objects.remove()
        self._client.delete_bucket(Bucket=self.bucket)

    def _store(self, bucket: str) -> S3Store:
        # Small, so that parts, copies in parts and many pages are among what the suites try.
        limits = Limits(
            part=5 << 20,
            copy_part=5 << 20,
            whole_copy=6 << 20,
            workers=8,
            keys_per_page=40,
            keys_per_delete=40,
        )
        return S3Store(f"{self._before}{bucket}/{self.prefix}", limits=limits, clock=self._clock)


class S3FaultSite:
    """A `FaultSite` in a new bucket.

    Args:
        moto: the server.
        proxy: the proxy before it.
        bucket: a name that no bucket has.
        clock: the stores'.
    """

    faults: Sequence[Fault] = (
        *Break,
        Answer.s3(500, "InternalError"),
        Answer.s3(503, "SlowDown"),
    )
    refusals: Sequence[Fault] = (Answer.s3(503, "SlowDown"), Break.AFTER)

    def __init__(self, moto: MotoServer, proxy: FaultProxy, bucket: str, clock: Clock) -> None:
        self._client = moto.client()
        self._bucket = bucket
        self._client.create_bucket(Bucket=bucket)
        self._objects = BucketContent(self._client, bucket)
        self.proxy = proxy
        # One request after another, so that the n-th is the same one every time.
        limits = Limits(
            part=5 << 20,
            copy_part=5 << 20,
            whole_copy=6 << 20,
            workers=1,
            parts_at_once=1,
            deletes_at_once=1,
            lane_pause_seconds=0.001,
        )
        behind = f"s3://{proxy.endpoint}/{bucket}/models"
        self.store = S3Store(behind, limits=limits, clock=clock)
        once = replace(limits, attempts=1, lane_attempts=1)
        self.hasty = S3Store(behind, limits=once, clock=clock)
        self.hasty.delete(["a/file"])  # so that no fault is the lane's first answer
        self.direct = S3Store(f"s3://{moto.endpoint}/{bucket}/models", clock=clock)

    def seed(self, files: Mapping[str, bytes]) -> None:
        """See `FaultSite.seed`."""
        present = self.snapshot()
        names = [{"Key": f"models/{key}"} for key in present.keys() - files.keys()]
        if names:
            self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": names})
        for key, data in files.items():
            if present.get(key) != data:
                self._client.put_object(Bucket=self._bucket, Key=f"models/{key}", Body=data)

    def snapshot(self) -> dict[str, bytes]:
        """See `FaultSite.snapshot`."""
        return {key.removeprefix("models/"): data for key, data in self._objects.read().items()}


class S3ObjectHarness:
    """An `ObjectHarness` for `S3Objects`: two new buckets, one with a repository.

    Args:
        client: a plain boto3 client.
        bucket: a name that no bucket has, nor with ``-elsewhere`` behind it.
        before: what the repository's location has before the bucket.
    """

    def __init__(self, client: Any, bucket: str, *, before: str) -> None:
        self._client = client
        self._buckets = (bucket, f"{bucket}-elsewhere")
        for name in self._buckets:
            client.create_bucket(Bucket=name)
        self.reader = S3Objects(f"{before}{bucket}")
        self.store = S3Store(f"{before}{bucket}")
        self.uri = f"s3://{bucket}-elsewhere"

    def put(self, name: str, data: bytes) -> None:
        """See `ObjectHarness.put`."""
        self._client.put_object(Bucket=self._buckets[1], Key=name, Body=data)

    def remove(self, name: str) -> None:
        """See `ObjectHarness.remove`."""
        self._client.delete_object(Bucket=self._buckets[1], Key=name)

    def close(self) -> None:
        """See `ObjectHarness.close`."""
        for name in self._buckets:
            for item in self._client.list_objects_v2(Bucket=name).get("Contents", ()):
                self._client.delete_object(Bucket=name, Key=item["Key"])
            self._client.delete_bucket(Bucket=name)
