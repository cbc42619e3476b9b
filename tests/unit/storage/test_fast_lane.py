"""The short cut beside boto3: what it sends, and that whatever it can't do is done all the same."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from obstore.store import MemoryStore

from triton_deploy_core.errors import ModelSourceError, RepositoryNotFoundError, StoreAccessError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, LocalFile, Transfer
from triton_deploy_core.testing.store_laws.fixtures import RecordedProgress
from triton_deploy_storage._objects.budget import Budget
from triton_deploy_storage._objects.fast_lane import FastLane
from triton_deploy_storage.s3 import Limits, S3Store
from triton_deploy_storage.testing_proxy import Answer, FaultProxy, OnNth
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer

PART = 5 << 20
LARGE = os.urandom(2 * PART + 17)
FORBIDDEN = Answer.s3(403, "AccessDenied")


class Recorder(BaseHTTPRequestHandler):
    """Takes everything, and remembers headers and bodies."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[dict[str, str], bytes]]

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(({name.lower(): text for name, text in self.headers.items()}, body))
        self.send_response(200)
        self.send_header("ETag", '"tag"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def recorder():
    handler = type("Handler", (Recorder,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.seen
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def moto():
    with MotoServer() as server:
        server.client().create_bucket(Bucket="models")
        yield server


@pytest.fixture
def proxy(moto):
    with FaultProxy(moto.endpoint) as proxy:
        yield proxy


@pytest.fixture
def plain(moto):
    client = moto.client()
    yield client
    for item in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=item["Key"])


def store(endpoint, bucket="models"):
    return S3Store(f"s3://{endpoint}/{bucket}/m", limits=Limits(workers=4))


def read(plain, key):
    with plain.get_object(Bucket="models", Key=f"m/{key}")["Body"] as body:
        return body.read()


def unfinished(plain):
    return plain.list_multipart_uploads(Bucket="models").get("Uploads", [])


def puts(request):
    return request.method == "PUT"


def puts_a_part(request):
    return "partNumber" in request.query


def test_each_request_has_a_checksum_and_the_credentials_that_boto3_found(recorder, monkeypatch):
    endpoint, seen = recorder
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "found-by-boto3")
    repository = store(endpoint)
    lane = repository._client.lane()
    # obstore would find these by itself.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "found-by-obstore")
    repository.transfer([Transfer("iris/1/m", Content(b"weights"))], NoProgress())
    ((headers, body),) = seen
    assert lane._is_proven
    digest = hashlib.sha256(b"weights")
    assert body == b"weights"
    assert headers["x-amz-checksum-sha256"] == b64encode(digest.digest()).decode()
    assert headers["x-amz-content-sha256"] == digest.hexdigest()
    assert "Credential=found-by-boto3/" in headers["authorization"]
    assert "expect" not in headers


@pytest.mark.parametrize(
    "picks",
    [
        puts,
        pytest.param(
            puts_a_part,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="obstore for it puts no parts: boto3 does"
            ),
        ),
    ],
)
def test_what_the_lane_is_refused_boto3_does(proxy, plain, picks):
    proxy.rule = OnNth(FORBIDDEN, when=picks)
    progress = RecordedProgress()
    transfers = [Transfer("iris/1/small", Content(b"s")), Transfer("iris/1/large", Content(LARGE))]
    store(proxy.endpoint).transfer(transfers, progress)
    assert proxy.rule.hit
    assert (read(plain, "iris/1/small"), read(plain, "iris/1/large")) == (b"s", LARGE)
    assert unfinished(plain) == []
    # Sent twice, told once.
    assert sum(progress.pieces) == len(LARGE) + 1


def test_a_lane_that_never_got_anywhere_is_closed_and_one_that_did_is_not(proxy, plain):
    first, second = (Transfer(f"iris/1/{name}", Content(b"x")) for name in "12")
    for nth, sent in ((1, 3), (2, 3)):  # refused, boto3, boto3; lane, refused, boto3
        proxy.rule = OnNth(FORBIDDEN, nth=nth, when=puts)
        proxy.forget()
        repository = store(proxy.endpoint)
        repository.transfer([first], NoProgress())
        repository.transfer([second], NoProgress())
        assert proxy.total().requests == sent
        assert repository._client.lane()._is_closed == (nth == 1)


@pytest.mark.parametrize("content", [b"x", LARGE])
def test_a_refusal_for_good_names_the_bucket_and_leaves_nothing(proxy, plain, content):
    proxy.rule = OnNth(FORBIDDEN, when=puts, times=100)
    with pytest.raises(StoreAccessError, match="cannot write iris/1/m in bucket models") as raised:
        store(proxy.endpoint).transfer([Transfer("iris/1/m", Content(content))], NoProgress())
    assert "AccessDenied" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Contents" not in plain.list_objects_v2(Bucket="models")
    assert unfinished(plain) == []


def test_what_the_lane_may_not_delete_boto3_does(proxy, plain):
    keys = ["iris/1/m", "iris/config.pbtxt", "iris/2/"]
    for key in keys:
        plain.put_object(Bucket="models", Key=f"m/{key}", Body=b"x")
    proxy.rule = OnNth(FORBIDDEN)
    repository = store(proxy.endpoint)
    repository.delete(keys[:2])
    repository.delete([*keys, "iris/never-there"])
    assert proxy.rule.hit
    assert "Contents" not in plain.list_objects_v2(Bucket="models")
    repository = store(proxy.endpoint)
    repository.delete(["iris/never-there"])
    assert repository._client.lane()._is_proven


def test_a_bucket_that_is_not_there_is_no_missing_file(moto):
    repository = store(moto.endpoint, "no-such-bucket")
    with pytest.raises(RepositoryNotFoundError, match="no-such-bucket"):
        repository.read("iris/mlflow-meta.json")
    with pytest.raises(RepositoryNotFoundError, match="no-such-bucket"):
        repository.transfer([Transfer("iris/1/m", Content(b"x"))], NoProgress())


@pytest.mark.parametrize("size", [PART + 1, len(LARGE) + 1])
def test_a_large_file_that_changes_while_it_is_sent_does_not_appear(moto, plain, tmp_path, size):
    path = tmp_path / "large"
    path.write_bytes(LARGE)

    class Changing(NoProgress):
        def advance(self, _):
            os.truncate(path, size)

    with pytest.raises(ModelSourceError, match="changed while it was copied"):
        store(moto.endpoint).transfer(
            [Transfer("iris/1/m", LocalFile(path, len(LARGE)))], Changing()
        )
    assert "Contents" not in plain.list_objects_v2(Bucket="models")
    assert unfinished(plain) == []


def test_the_error_of_one_file_ends_the_upload_of_another(moto, plain, tmp_path):
    transfers = [
        Transfer("iris/1/large", Content(LARGE)),
        Transfer("iris/1/m", LocalFile(tmp_path / "missing", 1)),
    ]
    with pytest.raises(ModelSourceError, match="missing"):
        store(moto.endpoint).transfer(transfers, NoProgress())
    assert unfinished(plain) == []


def test_boto3_alone_will_do(moto, plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    repository = store(moto.endpoint)
    transfers = [Transfer("iris/1/small", Content(b"s")), Transfer("iris/1/large", Content(LARGE))]
    repository.transfer(transfers, NoProgress())
    assert repository._client.lane() is None
    assert repository.read("iris/1/small").data == b"s"
    assert read(plain, "iris/1/large") == LARGE


def test_names_that_the_lane_would_change_are_left_to_others():
    bucket = MemoryStore()
    lane = FastLane(bucket, 2)
    for name in ("ensemble/1/", "/iris", "iris/line\nbreak", "iris//m"):
        assert not lane.put(name, b"")
        assert lane.read(name) is None
        assert not lane.delete([name])
    assert [item for page in bucket.list() for item in page] == []
    for name in ("a b", "a%20b", "\N{GREEK SMALL LETTER ALPHA}", "a..b", "~"):
        assert lane.put(f"iris/{name}", name.encode())
        assert lane.read(f"iris/{name}").data == name.encode()


def test_a_budget_lends_what_is_left_and_never_more():
    budget = Budget(10)
    done = threading.Event()

    def borrow():
        with budget.lending(7):
            done.set()

    with budget.lending(99):  # all there is
        waiting = threading.Thread(target=borrow)
        waiting.start()
        assert not done.is_set()
    waiting.join()
    with budget.lending(3), budget.lending(7):
        assert done.is_set()
