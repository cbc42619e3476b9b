"""What `GcsStore` asks of the service, and how it takes answers that a healthy one never gives."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from triton_deploy_core.errors import (
    ModelSourceError,
    StoreAccessError,
    StoreUnavailableError,
)
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, IfUnchanged, LocalFile, StoredObject, Transfer
from triton_deploy_storage.gcs import GcsStore, Limits

CHUNK = 256 << 10
DENIED = {"error": {"code": 403, "message": "hunter2", "errors": [{"reason": "forbidden"}]}}
Answers = Callable[[str, str], tuple[int, Any]]


class Service:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: Answers = lambda method, path: (403, DENIED)
        self.asked: list[tuple[str, str, int]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(size)
                service.asked.append((self.command, self.path, size))
                status, content = service.answers(self.command, self.path)
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if "uploadType=resumable" in self.path:  # as a session of one chunk after another
                    self.send_header("Location", f"{service.endpoint}/session")
                if "Content-Range" in self.headers:
                    last = self.headers["Content-Range"].partition("-")[2].partition("/")[0]
                    self.send_header("Range", f"bytes=0-{last}")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def service(monkeypatch) -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.endpoint)
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@pytest.fixture
def store() -> GcsStore:
    return GcsStore("gs://bucket/some/models", limits=Limits(patience_seconds=5, chunk=CHUNK))


def test_a_permanent_refusal_is_not_tried_again(store, service):
    calls = {
        "write to": store.check,
        "list": lambda: list(store.list("iris/")),
        "read iris/f": lambda: store.read("iris/f"),
        "write iris/f": lambda: store.write("iris/f", b"x"),
        "delete iris/f": lambda: store.delete(["iris/f"]),
    }
    for action, call in calls.items():
        service.asked.clear()
        with pytest.raises(StoreAccessError, match=f"{action}.* in bucket bucket") as raised:
            call()
        assert "hunter2" not in str(raised.value)
        assert len(service.asked) == 1


def test_a_transient_fault_is_tried_again(store, service):
    faults = [(503, {}), (500, {}), (200, {"items": []})]
    service.answers = lambda method, path: faults.pop(0)
    assert list(store.list("iris/")) == []
    assert faults == []


def test_an_error_in_the_middle_of_a_listing_is_mapped(store, service):
    page = {"items": [{"name": "some/models/a", "size": "1", "generation": "5"}]}
    answers = [(200, {**page, "nextPageToken": "2"}), (403, DENIED)]
    service.answers = lambda method, path: answers.pop(0)
    found = store.list("")
    assert next(found).key == "a"
    with pytest.raises(StoreAccessError):
        next(found)


def test_a_service_without_conditional_writes_is_found_out(store, service):
    service.answers = lambda method, path: (200, {"generation": "5"})
    with pytest.raises(StoreAccessError, match="conditional writes"):
        store.check()
    assert [method for method, _, _ in service.asked] == ["POST", "DELETE"]


def test_a_tag_of_another_store_is_the_tag_of_nothing(store, service):
    for tag in ("0", '"d41d8cd98f00b204e9800998ecf8427e"', "-1"):
        with pytest.raises(StoreAccessError):
            store.write("iris/f", b"x", condition=IfUnchanged(tag))
    assert all("ifGenerationMatch=1&" in path + "&" for _, path, _ in service.asked)


def test_a_copy_brings_no_byte_to_this_machine(store, service):
    size = 3_000_000_000
    resource = {"size": str(size), "generation": "7", "crc32c": "AAAAAA=="}
    done = {"done": True, "totalBytesRewritten": str(size), "objectSize": str(size)}
    begun = {"done": False, "totalBytesRewritten": "5", "objectSize": str(size)}
    rewrites = [{**begun, "rewriteToken": "t"}, {**done, "resource": resource}]
    service.answers = lambda method, path: (
        200,
        resource if method == "GET" else rewrites.pop(0),
    )
    store.transfer([Transfer("iris/1/m", StoredObject("gs://other/run 1/m", size))], NoProgress())
    target = "some%2Fmodels%2Firis%2F1%2Fm"
    assert [(method, path.partition("?")[0]) for method, path, _ in service.asked] == [
        ("GET", "/storage/v1/b/other/o/run%201%2Fm"),
        *[("POST", f"/storage/v1/b/other/o/run%201%2Fm/rewriteTo/b/bucket/o/{target}")] * 2,
    ]
    assert all("alt=media" not in path and sent < 100 for _, path, sent in service.asked)
    assert all("ifSourceGenerationMatch=7" in path for _, path, _ in service.asked[1:])
    assert "rewriteToken=t" in service.asked[2][1]


def test_a_copy_that_differs_is_found_out(store, service):
    resource = {"size": "1", "generation": "7", "crc32c": "AAAAAA=="}
    done = {"done": True, "totalBytesRewritten": "1", "objectSize": "1"}
    service.answers = lambda method, path: (
        200,
        resource if method == "GET" else {**done, "resource": {**resource, "crc32c": "BBBBBB=="}},
    )
    with pytest.raises(StoreUnavailableError, match="checksum"):
        store.transfer([Transfer("iris/1/m", StoredObject("gs://other/m", 1))], NoProgress())


def test_a_source_that_may_not_be_read_is_named(store, service):
    with pytest.raises(ModelSourceError, match="gs://other/m"):
        store.transfer([Transfer("iris/1/m", StoredObject("gs://other/m", 1))], NoProgress())


def test_a_failure_stops_a_large_upload_beside_it(store, service, tmp_path):
    size = 1 << 30
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    first_chunk = threading.Event()

    def answers(method: str, path: str) -> tuple[int, Any]:
        if "uploadType=resumable" in path and method == "POST":
            return 200, {}
        if method == "PUT":
            first_chunk.set()
            return 308, {}
        first_chunk.wait(10)
        return 403, DENIED

    service.answers = answers
    with pytest.raises(StoreAccessError, match="iris/1/small"):
        store.transfer(
            [
                Transfer("iris/1/large", LocalFile(tmp_path / "large", size)),
                Transfer("iris/1/small", Content(b"x")),
            ],
            NoProgress(),
        )
    chunks = [path for method, path, _ in service.asked if method == "PUT"]
    assert 0 < len(chunks) < size // CHUNK


def test_credentials_that_cannot_be_read_are_an_error(store, monkeypatch, tmp_path):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    broken = tmp_path / "key.json"
    broken.write_text('{"private_key": "hunter2"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(broken))
    with pytest.raises(StoreAccessError, match="GOOGLE_APPLICATION_CREDENTIALS") as raised:
        store.check()
    assert "hunter2" not in str(raised.value)


def test_an_emulator_without_a_scheme_is_said_to_be_none(store, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")
    with pytest.raises(StoreAccessError, match="http://host:port"):
        store.check()


def test_nobody_listens_is_unavailable(monkeypatch):
    store = GcsStore("gs://bucket/prefix", limits=Limits(patience_seconds=0.1))
    with socket.socket() as taken:  # bound, so that nobody else gets it, but not listening
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StoreUnavailableError, match="bucket"):
            store.check()
