"""What `S3Store` asks of the service, and how it takes answers that a healthy one never gives."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

import pytest
from botocore.stub import Stubber

from triton_deploy_core.errors import StoreAccessError, StoreUnavailableError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_storage._s3.limits import ranges
from triton_deploy_storage.s3 import S3Store


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # The short cut is not what is tried here, and there is no network.
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    return S3Store("s3://bucket/some/models")


@pytest.fixture
def service(store):
    with Stubber(store._client.get()) as stubber:
        yield stubber


def test_a_refusal_of_one_key_in_a_batch_is_not_overlooked(store, service):
    denied = {"Key": "some/models/b", "Code": "AccessDenied", "Message": "no"}
    service.add_response("delete_objects", {"Errors": [denied]})
    with pytest.raises(StoreAccessError, match="some/models/b"):
        store.delete(["a", "b"])


def test_a_batch_has_no_more_than_a_thousand_keys(store, service):
    store._limits = replace(store._limits, deletes_at_once=1)  # else they come in any order
    for first, last in [(0, 1000), (1000, 2000), (2000, 2001)]:
        objects = [{"Key": f"some/models/{number}"} for number in range(first, last)]
        expected = {"Bucket": "bucket", "Delete": {"Objects": objects, "Quiet": True}}
        service.add_response("delete_objects", {}, expected)
    store.delete(str(number) for number in range(2001))
    service.assert_no_pending_responses()


def test_a_service_without_conditional_writes_is_found_out(store, service):
    service.add_response("put_object", {"ETag": '"x"'})
    service.add_response("delete_object", {})
    with pytest.raises(StoreAccessError, match="conditional writes"):
        store.check()
    service.assert_no_pending_responses()


def test_a_bucket_that_may_not_be_written_fails_the_check(store, service):
    service.add_client_error("put_object", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreAccessError, match="bucket"):
        store.check()


def test_an_error_in_the_middle_of_a_listing_is_mapped(store, service):
    service.add_response("list_objects_v2", {"IsTruncated": True, "NextContinuationToken": "2"})
    service.add_client_error("list_objects_v2", "SlowDown", http_status_code=503)
    with pytest.raises(StoreUnavailableError):
        list(store.list(""))


def test_an_upload_that_fails_in_a_thread_is_mapped(store, service):
    service.add_client_error("put_object", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreAccessError, match="iris/f"):
        store.transfer([Transfer("iris/f", Content(b"x"))], NoProgress())


def test_nobody_listens_is_unavailable(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with socket.socket() as taken:  # bound, so that nobody else gets it, but not listening
        taken.bind(("127.0.0.1", 0))
        store = S3Store(f"s3://http://127.0.0.1:{taken.getsockname()[1]}/bucket/prefix")
        with pytest.raises(StoreUnavailableError, match="bucket") as raised:
            store.check()
    assert "hunter2" not in str(raised.value)


def test_parts_cover_a_file_and_are_never_too_many():
    assert ranges(10, 4) == [(0, 4), (4, 4), (8, 2)]
    assert ranges(8, 4) == [(0, 4), (4, 4)]
    huge = ranges(5 * 2**40, 8 << 20)
    assert len(huge) <= 10_000
    assert sum(length for _, length in huge) == 5 * 2**40
