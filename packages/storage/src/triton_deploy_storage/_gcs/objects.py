"""Looks at objects outside of the repository that GCS can copy into it: an `ObjectReader`."""

from __future__ import annotations

from collections.abc import Mapping

from google.api_core.exceptions import NotFound, PreconditionFailed

from triton_deploy_core.errors import ModelSourceError
from triton_deploy_core.ports.store import StoredObject
from triton_deploy_storage._gcs.gcs_errors import gcs_errors, is_no_bucket
from triton_deploy_storage._gcs.limits import Limits
from triton_deploy_storage._gcs.location import GcsLocation
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._objects.foreign import place_of

_SCHEME = "gs://"


class GcsObjects:
    """Reads buckets with the credentials of a repository. Tags are generations.

    Args:
        location: the repository's, as `GcsStore` takes it.

    Raises:
        InvalidSettingError: the location is none, or Triton would read it differently.
    """

    def __init__(self, location: str) -> None:
        self._service = Service(GcsLocation.parse(location), Limits())

    def reaches(self, uri: str, endpoint: str | None) -> bool:
        """See `ObjectReader.reaches`. One process knows one service, an emulator or Google's."""
        return endpoint is None and place_of(uri, _SCHEME) is not None

    def list(self, uri: str) -> Mapping[str, StoredObject]:
        """See `ObjectReader.list`."""
        bucket, key = place_of(uri, _SCHEME) or ("", "")
        prefix = f"{key}/" if key else ""
        with gcs_errors(bucket, "list", prefix or "all objects"):
            listed = self._service.client().list_blobs(
                bucket,
                prefix=prefix,
                fields="items(name,size,generation),nextPageToken",
                page_size=self._service.limits.page,
                **self._service.options,
            )
            return {
                item.name[len(prefix) :]: StoredObject(
                    f"{_SCHEME}{bucket}/{item.name}", int(item.size), str(item.generation)
                )
                for item in listed
                if not item.name.endswith("/")
            }

    def read(self, found: StoredObject, offset: int, length: int) -> bytes:
        """See `ObjectReader.read`."""
        length = min(length, found.size - offset)
        if length <= 0:
            return b""
        bucket, _, key = found.uri.removeprefix(_SCHEME).partition("/")
        with gcs_errors(bucket, "read", key):
            try:
                data: bytes = self._service.foreign(bucket, key).download_as_bytes(
                    start=offset,
                    end=offset + length - 1,
                    if_generation_match=int(found.etag),
                    checksum=None,
                    **self._service.options,
                )
            except (NotFound, PreconditionFailed) as error:
                if is_no_bucket(error):
                    raise
                raise ModelSourceError(
                    f"{found.uri} changed while it was read; start again"
                ) from error
        return data
