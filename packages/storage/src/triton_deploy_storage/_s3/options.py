"""How objects are stored: encryption, access and storage class, as S3's requests name them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from triton_deploy_core.errors import InvalidSettingError

_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_ACLS = (
    *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
    *("bucket-owner-read", "bucket-owner-full-control"),
)
_CLASSES = (
    *("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY"),
    *("GLACIER_IR", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW"),
)


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """Settings of a bucket's owner. What is empty is left to the bucket.

    Attributes:
        sse: encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``.
        sse_kms_key_id: the key for it, by its id, its alias or its ARN; ``aws:kms`` where
            `sse` is empty.
        acl: a canned ACL, as ``bucket-owner-full-control``.
        storage_class: of the models' files; bookkeeping and configurations, small and often
            replaced, have the bucket's own.

    Raises:
        InvalidSettingError: S3 knows no such value, or Triton could not read such objects.
    """

    sse: str = ""
    sse_kms_key_id: str = ""
    acl: str = ""
    storage_class: str = ""

    def __post_init__(self) -> None:
        _require_known("s3_sse", self.sse, _ENCRYPTIONS)
        _require_known("s3_acl", self.acl, _ACLS)
        if self.storage_class in {"GLACIER", "DEEP_ARCHIVE"}:
            raise InvalidSettingError(
                f"s3_storage_class={self.storage_class}: Triton can't read archived objects; "
                "choose another class"
            )
        _require_known("s3_storage_class", self.storage_class, _CLASSES)
        if self.sse_kms_key_id and self.sse == _ENCRYPTIONS[0]:
            raise InvalidSettingError(
                f"s3_sse_kms_key_id is for s3_sse=aws:kms, not for {self.sse}: give one of the two"
            )

    @classmethod
    def of(cls, given: Mapping[str, str]) -> ObjectOptions:
        """Make them of texts by the names of the attributes.

        Raises:
            InvalidSettingError: a name or a value is not known.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            _require_known("S3 setting", name, known)
        return cls(**given)

    @property
    def of_all(self) -> dict[str, str]:
        """The parameters of a request that makes an object."""
        sse = self.sse or ("aws:kms" if self.sse_kms_key_id else "")
        named = {"ServerSideEncryption": sse, "SSEKMSKeyId": self.sse_kms_key_id, "ACL": self.acl}
        return {name: value for name, value in named.items() if value}

    @property
    def of_models(self) -> dict[str, str]:
        """The parameters of a request that makes a file of a model."""
        return self.of_all | ({"StorageClass": self.storage_class} if self.storage_class else {})


def _require_known(name: str, value: str, known: Collection[str]) -> None:
    if value and value not in known:
        raise InvalidSettingError(f"{name}={value!r}: S3 has {', '.join(known)}")
