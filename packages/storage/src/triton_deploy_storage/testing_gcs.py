"""GCS for contract suites: a server on this machine, and a `StoreHarness` for `GcsStore`.

Needs the extra ``gcs`` and, for `GcsServer`, ``gcp-storage-emulator``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import requests

from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage.gcs import GcsObjects, GcsStore, Limits
from triton_deploy_storage.testing_process import ChildServer
from triton_deploy_storage.testing_proxy import Answer, Break, Fault, FaultProxy

_PROGRAM = "from triton_deploy_storage.testing_gcs_service import main; main()"
_SECONDS = 60
_EMULATOR = "STORAGE_EMULATOR_HOST"
_NOTHING_IN_PARTS = (
    b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n"
    b"--x\r\nContent-Type: application/x\r\n\r\n\r\n--x--"
)


class GcsServer(ChildServer):
    """A GCS server, for as long as a ``with`` block and never longer than this process."""

    def __init__(self) -> None:
        super().__init__(_PROGRAM, package="gcp-storage-emulator")

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the library and Triton need for it."""
        return {
            _EMULATOR: self.endpoint,
            "CLOUD_STORAGE_EMULATOR_ENDPOINT": self.endpoint,
        }

    def bucket(self, name: str) -> PlainBucket:
        """Make a bucket."""
        return PlainBucket(self.endpoint, name)


class PlainBucket:
    """A new bucket on an emulator, by plain HTTP requests."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._session = requests.Session()
        self._known: dict[tuple[str, str], bytes] = {}
        self._ask("POST", "/storage/v1/b", json={"name": name})
        never = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}
        self._ask("PATCH", f"/storage/v1/b/{name}", json=never)

    def put(self, name: str, data: bytes) -> None:
        """Write an object."""
        # The emulator fails at an empty body: an empty object comes as two parts.
        kind = "media" if data else "multipart"
        query = urlencode({"uploadType": kind, "name": name})
        self._ask(
            "POST",
            f"/upload/storage/v1/b/{self.name}/o?{query}",
            data=data or _NOTHING_IN_PARTS,
            headers={"Content-Type": "application/x" if data else "multipart/related; boundary=x"},
        )

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._ask("DELETE", self._path(name))

    def names(self, prefix: str = "") -> list[str]:
        """List objects."""
        return [*self._generations(prefix)]

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Read everything; no content is read a second time."""
        found = self._generations(prefix)
        return {name: self._content(name, generation) for name, generation in found.items()}

    def close(self) -> None:
        """Remove it with all that is in it."""
        for name in self.names():
            self.remove(name)
        self._ask("DELETE", f"/storage/v1/b/{self.name}")
        self._session.close()

    def _generations(self, prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        query = {"prefix": prefix}
        while True:
            page = self._ask("GET", f"/storage/v1/b/{self.name}/o?{urlencode(query)}").json()
            found |= {item["name"]: item["generation"] for item in page.get("items", ())}
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def _content(self, name: str, generation: str) -> bytes:
        if (name, generation) not in self._known:
            content = self._ask("GET", self._path(name) + "?alt=media").content
            self._known[name, generation] = content
        return self._known[name, generation]

    def _path(self, name: str) -> str:
        return f"/storage/v1/b/{self.name}/o/{quote(name, safe='')}"

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        answer = self._session.request(method, self._endpoint + path, timeout=_SECONDS, **request)
        answer.raise_for_status()
        return answer


class GcsHarness:
    """A `StoreHarness` that looks at a new bucket by plain requests alone.

    ``STORAGE_EMULATOR_HOST`` has to name the server.

    Args:
        server: an emulator that keeps preconditions.
        bucket: a name that no bucket has.
    """

    prefix = "some/models"

    def __init__(self, server: GcsServer, bucket: str) -> None:
        self._server = server
        self._bucket = server.bucket(bucket)
        self._elsewhere: PlainBucket | None = None
        # Foreign objects that nothing may ever touch or show.
        foreign = ("some/models2/f", "some/modelsf", "some/é %25", "some/", "some/models/")
        self._foreign: Mapping[str, bytes] = dict.fromkeys(foreign, b"")
        for name, data in self._foreign.items():
            self._bucket.put(name, data)
        self.store = self.another()

    def another(self) -> GcsStore:
        """See `StoreHarness.another`."""
        return self._store(self._bucket.name)

    def missing(self) -> GcsStore:
        """See `StoreHarness.missing`."""
        return self._store("no-such-bucket")

    def raw_write(self, key: str, data: bytes) -> None:
        """See `StoreHarness.raw_write`."""
        self._bucket.put(f"{self.prefix}/{key}", data)

    def raw_snapshot(self) -> dict[str, bytes]:
        """See `StoreHarness.raw_snapshot`."""
        found = self._bucket.objects()
        assert {name: found.pop(name) for name in self._foreign} == self._foreign  # noqa: S101
        return {name.removeprefix(f"{self.prefix}/"): data for name, data in found.items()}

    def stored_object(self, data: bytes) -> StoredObject:
        """See `StoreHarness.stored_object`."""
        if self._elsewhere is None:
            self._elsewhere = self._server.bucket(f"{self._bucket.name}-elsewhere")
        name = "mlflow/1/with space %25/model.onnx"
        self._elsewhere.put(name, data)
        return StoredObject(f"gs://{self._elsewhere.name}/{name}", len(data))

    def close(self) -> None:
        """See `StoreHarness.close`."""
        self._bucket.close()
        if self._elsewhere is not None:
            self._elsewhere.close()

    def _store(self, bucket: str) -> GcsStore:
        # Small, so that chunks and pages are among what the suites try.
        limits = Limits(chunk=4 << 20, page=100, workers=8)
        return GcsStore(f"gs://{bucket}/{self.prefix}", limits=limits)


class GcsFaultSite:
    """A `FaultSite` in a new bucket.

    Args:
        server: an emulator that keeps preconditions.
        proxy: the proxy before it.
        bucket: a name that no bucket has.
    """

    faults: Sequence[Fault] = (
        *Break,
        Answer.gcs(429, "rateLimitExceeded"),
        Answer.gcs(503, "backendError"),
    )
    refusals: Sequence[Fault] = (Answer.gcs(503, "backendError"), Break.AFTER)

    def __init__(self, server: GcsServer, proxy: FaultProxy, bucket: str) -> None:
        self._bucket = server.bucket(bucket)
        self.proxy = proxy
        # One request after another, so that the n-th is the same one every time.
        limits = Limits(
            whole=4 << 20, chunk=4 << 20, large_at_once=1, workers=1, first_pause_seconds=0
        )
        self.store = self._store(limits, proxy.endpoint)
        self.hasty = self._store(replace(limits, patience_seconds=0), proxy.endpoint)
        self.direct = self._store(Limits(), server.endpoint)

    def _store(self, limits: Limits, endpoint: str) -> GcsStore:
        store = GcsStore(f"gs://{self._bucket.name}/models", limits=limits)
        with _emulator(endpoint):
            store.check()  # with its first request it takes the address
        return store

    def seed(self, files: Mapping[str, bytes]) -> None:
        """See `FaultSite.seed`."""
        present = self.snapshot()
        for key in present.keys() - files.keys():
            self._bucket.remove(f"models/{key}")
        for key, data in files.items():
            if present.get(key) != data:
                self._bucket.put(f"models/{key}", data)

    def snapshot(self) -> dict[str, bytes]:
        """See `FaultSite.snapshot`. The service shows no upload that is left unfinished."""
        found = self._bucket.objects()
        return {name.removeprefix("models/"): data for name, data in found.items()}

    def close(self) -> None:
        """Remove the bucket."""
        self._bucket.close()


@contextmanager
def _emulator(endpoint: str) -> Iterator[None]:
    before = os.environ.get(_EMULATOR)
    os.environ[_EMULATOR] = endpoint
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EMULATOR]
        else:
            os.environ[_EMULATOR] = before


class GcsObjectHarness:
    """An `ObjectHarness` for `GcsObjects`: two new buckets, one with a repository.

    ``STORAGE_EMULATOR_HOST`` has to name the server.

    Args:
        server: an emulator that keeps preconditions.
        bucket: a name that no bucket has, nor with ``-elsewhere`` behind it.
    """

    def __init__(self, server: GcsServer, bucket: str) -> None:
        self._buckets = (server.bucket(bucket), server.bucket(f"{bucket}-elsewhere"))
        self.reader = GcsObjects(f"gs://{bucket}")
        self.store = GcsStore(f"gs://{bucket}")
        self.uri = f"gs://{bucket}-elsewhere"

    def put(self, name: str, data: bytes) -> None:
        """See `ObjectHarness.put`."""
        self._buckets[1].put(name, data)

    def remove(self, name: str) -> None:
        """See `ObjectHarness.remove`."""
        self._buckets[1].remove(name)

    def close(self) -> None:
        """See `ObjectHarness.close`."""
        for bucket in self._buckets:
            bucket.close()
