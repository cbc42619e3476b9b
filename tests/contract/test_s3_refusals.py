"""What the service refuses for good fails at once, names bucket and action, and tells no secret."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Iterator

import pytest

from triton_deploy_core.errors import (
    RepositoryNotFoundError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, IfAbsent, IfUnchanged, Transfer
from triton_deploy_storage.s3 import Limits, S3Store
from triton_deploy_storage.testing_proxy import Answer, Break, Fault, FaultProxy
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer

CANARIES = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-key",
    "AWS_SESSION_TOKEN": "canary-of-the-session",
}
LARGE = Content(b"l" * (6 << 20))
ACTIONS = {
    "check": (lambda store: store.check(), "write to"),
    "directories": (lambda store: list(store.directories()), "list"),
    "list": (lambda store: list(store.list("iris/")), "list"),
    "read": (lambda store: store.read("iris/f"), "read"),
    "write": (lambda store: store.write("iris/f", b"x"), "write"),
    "write-config": (lambda store: store.write("iris/config.pbtxt", b"x"), "write"),
    "write-absent": (lambda store: store.write("iris/f", b"x", condition=IfAbsent()), "write"),
    "write-unchanged": (
        lambda store: store.write("iris/f", b"x", condition=IfUnchanged('"x"')),
        "write",
    ),
    "upload": (
        lambda store: store.transfer([Transfer("iris/1/f", Content(b"x"))], NoProgress()),
        "write",
    ),
    "upload-large": (
        lambda store: store.transfer([Transfer("iris/1/f", LARGE)], NoProgress()),
        "write",
    ),
    "delete": (lambda store: store.delete(["iris/f"]), "delete"),
}
REFUSALS: dict[str, tuple[Fault, type[StoreError], str]] = {
    "denied": (Answer.s3(403, "AccessDenied"), StoreAccessError, "s3:PutObject"),
    "no-bucket": (Answer.s3(404, "NoSuchBucket"), RepositoryNotFoundError, "create it"),
    "expired": (Answer.s3(400, "ExpiredToken"), StoreAccessError, "renew the credentials"),
    "bad-key": (Answer.s3(403, "InvalidAccessKeyId"), StoreAccessError, "renew the credentials"),
    "region": (
        Answer.s3(400, "IllegalLocationConstraintException"),
        StoreAccessError,
        "AWS_DEFAULT_REGION",
    ),
    "gone": (Break.BEFORE, StoreUnavailableError, "try again"),
}


@pytest.fixture(scope="module")
def proxy(moto: MotoServer) -> Iterator[FaultProxy]:
    with FaultProxy(moto.endpoint) as proxy:
        yield proxy


@pytest.fixture
def bucket(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in (CREDENTIALS | CANARIES).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    name = f"refusals-{uuid.uuid4().hex}"
    moto.client().create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_told_at_once_and_without_a_secret(proxy, bucket, refusal, caplog):
    fault, kind, remedy = REFUSALS[refusal]
    caplog.set_level(logging.DEBUG)
    store = S3Store(f"s3://{proxy.endpoint}/{bucket}/models", limits=Limits(part=5 << 20))
    proxy.left_out = ()
    for action, (act, verb) in ACTIONS.items():
        proxy.rule = lambda _: fault
        proxy.forget()
        with pytest.raises(kind) as raised:
            act(store)
        proxy.rule = None
        message = str(raised.value)
        assert bucket in message, action
        assert remedy in message, action
        assert kind is RepositoryNotFoundError or f"cannot {verb} " in message, action
        assert "\n" not in message, action
        if refusal != "gone":
            # The library looks for the region of a bucket; whether an upload is left is seen after;
            # the first request goes by the short cut, which closes, before boto3 can tell why.
            asked = [e for e in proxy.exchanges() if e.request.method != "HEAD"]
            assert len(asked) <= (2 if action in {"upload-large", "read"} else 1), action
        told = "".join(traceback.format_exception(raised.value))
        ours = "".join(
            record.getMessage()
            for record in caplog.records
            if record.name.startswith(("triton_", "mlflow_triton"))
        )
        for canary in CANARIES.values():
            assert canary not in told, action
            assert canary not in ours, action


def test_a_service_that_ignores_conditions_is_found_out(moto, proxy, bucket):
    proxy.rule = None
    store = S3Store(f"s3://{proxy.endpoint}/{bucket}/models")
    store.check()
    proxy.left_out = ("if-match", "if-none-match")
    with pytest.raises(StoreAccessError, match="ignores conditional writes") as raised:
        store.check()
    proxy.left_out = ()
    assert "two operations" in str(raised.value)
    assert bucket in str(raised.value)
    assert "Contents" not in moto.client().list_objects_v2(Bucket=bucket)
