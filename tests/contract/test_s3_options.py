"""Encryption, ACL and storage class arrive with every object, however it is made."""

from __future__ import annotations

import uuid

import pytest

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, IfAbsent, StoredBlob, Transfer
from triton_deploy_storage import open_store
from triton_deploy_storage.s3 import Limits, ObjectOptions, S3Store
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer

PART = 5 << 20
OPTIONS = ObjectOptions(
    sse_kms_key_id="alias/models", acl="public-read", storage_class="STANDARD_IA"
)


@pytest.fixture
def bucket(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    name = f"options-{uuid.uuid4().hex}"
    moto.client().create_bucket(Bucket=name)
    return name


def test_they_apply_to_writes_uploads_and_copies(moto, bucket):
    limits = Limits(part=PART, copy_part=PART, whole_copy=PART)
    store = S3Store(f"s3://{moto.endpoint}/{bucket}/models", limits=limits, options=OPTIONS)
    large = Content(b"l" * (PART + 1))
    store.check()
    store.write(".iris.@lease", b"lease", condition=IfAbsent())
    store.write("iris/config.pbtxt", b"config")
    store.transfer([Transfer("iris/1/a", Content(b"a")), Transfer("iris/1/b", large)], NoProgress())
    copies = [StoredBlob("iris/1/a", 1), StoredBlob("iris/1/b", large.size)]
    store.transfer(
        [Transfer(f"iris/2/{n}", copy) for n, copy in zip("ab", copies, strict=True)], NoProgress()
    )
    plain = moto.client()
    models = {"iris/1/a", "iris/1/b", "iris/2/a", "iris/2/b"}
    for key in {".iris.@lease", "iris/config.pbtxt", *models}:
        target = {"Bucket": bucket, "Key": f"models/{key}"}
        head = plain.head_object(**target)
        assert head["ServerSideEncryption"] == "aws:kms", key
        assert head["SSEKMSKeyId"].endswith("alias/models"), key
        assert head.get("StorageClass") == ("STANDARD_IA" if key in models else None), key
        grants = plain.get_object_acl(**target)["Grants"]
        assert sorted(grant["Permission"] for grant in grants) == ["FULL_CONTROL", "READ"], key


def test_without_them_the_bucket_decides(moto, bucket):
    store = open_store(f"s3://{moto.endpoint}/{bucket}/models")
    store.write("f", b"data")
    head = moto.client().head_object(Bucket=bucket, Key="models/f")
    assert "SSEKMSKeyId" not in head


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sse": "rot13"}, "s3_sse='rot13': S3 has AES256"),
        ({"sse": "AES256", "sse_kms_key_id": "k"}, "s3_sse_kms_key_id is for s3_sse=aws:kms"),
        ({"acl": "everybody"}, "s3_acl='everybody'"),
        ({"storage_class": "DEEP_ARCHIVE"}, "can't read archived"),
        ({"storage_class": "FAST"}, "s3_storage_class='FAST'"),
        ({"colour": "red"}, "S3 setting='colour'"),
    ],
)
def test_what_s3_does_not_know_is_refused(given, words):
    with pytest.raises(InvalidSettingError, match=words):
        open_store("s3://bucket/models", s3=given)
