"""Finds out whether a bucket can be written, and whether its service knows conditional writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from triton_deploy_core.errors import StoreAccessError
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import error_code

_KEY = ".triton-deploy-probe"
_NOBODYS_TAG = '"00000000000000000000000000000000"'
_REFUSED = frozenset({"PreconditionFailed", "NoSuchKey", "412", "404"})


def probe(client: Any, location: S3Location, options: Mapping[str, str]) -> None:
    """Ask for a write that must be refused, since its condition does not hold.

    Who may not write is told so before the condition is looked at. A service that does not know
    conditions writes the object: it is removed again.

    Raises:
        StoreAccessError: the service does not know conditional writes.
        ClientError: there is no such bucket, or it can't be written.
    """
    target = {"Bucket": location.bucket, "Key": location.root + _KEY}
    try:
        client.put_object(**target, **options, Body=b"", IfMatch=_NOBODYS_TAG)
    except ClientError as error:
        if error_code(error) not in _REFUSED:
            raise
        return
    client.delete_object(**target)
    raise StoreAccessError(
        f"the service of bucket {location.bucket} ignores conditional writes (If-Match), so two "
        "operations could spoil each other's work: use a service or a version that knows them"
    )
