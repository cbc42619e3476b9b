"""Looks at objects outside of the repository that S3 can copy into it: an `ObjectReader`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage._objects.foreign import place_of
from triton_deploy_storage._s3.client import LazyClient
from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.listing import pages
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import error_code, s3_errors

_SCHEME = "s3://"
_AMAZON = ".amazonaws.com"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CHANGED = frozenset({"PreconditionFailed", "412", "NoSuchKey", "404", "InvalidRange"})


class S3Objects:
    """Reads buckets of the service that holds a repository, with the repository's credentials.

    Args:
        location: the repository's, as `S3Store` takes it.

    Raises:
        InvalidSettingError: the location is none, or Triton would read it differently.
    """

    def __init__(self, location: str) -> None:
        self._location = S3Location.parse(location)
        self._client = LazyClient(self._location, Limits())

    def reaches(self, uri: str, endpoint: str | None) -> bool:
        """See `ObjectReader.reaches`. Access points and URIs with a query are not reached."""
        return place_of(uri, _SCHEME) is not None and self._is_the_service_at(endpoint)

    def list(self, uri: str) -> Mapping[str, StoredObject]:
        """See `ObjectReader.list`."""
        bucket, key = place_of(uri, _SCHEME) or ("", "")
        prefix = f"{key}/" if key else ""
        found = {}
        with s3_errors(bucket, "list", prefix or "all objects"):
            for page in pages(self._client.get(), Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        found[item["Key"][len(prefix) :]] = StoredObject(
                            f"{_SCHEME}{bucket}/{item['Key']}", item["Size"], item["ETag"]
                        )
        return found

    def read(self, found: StoredObject, offset: int, length: int) -> bytes:
        """See `ObjectReader.read`."""
        length = min(length, found.size - offset)
        if length <= 0:
            return b""
        bucket, _, key = found.uri.removeprefix(_SCHEME).partition("/")
        with s3_errors(bucket, "read", key):
            try:
                answer = self._client.get().get_object(
                    Bucket=bucket,
                    Key=key,
                    Range=f"bytes={offset}-{offset + length - 1}",
                    IfMatch=found.etag,
                )
                with answer["Body"] as body:
                    data: bytes = body.read()
            except ClientError as error:
                if error_code(error) not in _CHANGED:
                    raise
                raise ModelSourceError(
                    f"{found.uri} changed while it was read; start again"
                ) from error
        return data

    def _is_the_service_at(self, endpoint: str | None) -> bool:
        endpoint = endpoint or None
        if endpoint == self._location.endpoint:
            return True
        return _service(self._client) == _service(
            LazyClient(S3Location(self._location.bucket, endpoint=endpoint), Limits())
        )


def _service(client: LazyClient) -> tuple[str, int]:
    """Return what tells one service from another; regions of Amazon's are one, as for copies."""
    parts = urlsplit(str(client.get().meta.endpoint_url))
    host = (parts.hostname or "").lower()
    if host.endswith(_AMAZON):
        return _AMAZON, 0
    return host, parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
