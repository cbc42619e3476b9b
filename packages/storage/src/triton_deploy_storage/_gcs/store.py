"""The GCS adapter itself: the port's methods, made of the pieces beside it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from triton_deploy_core.errors import BlobNotFoundError, PreconditionFailedError, StoreAccessError
from triton_deploy_core.keys import check_file_key, check_key, check_transfer, is_marker
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobContent,
    Capabilities,
    Condition,
    Guard,
    IfAbsent,
    IfUnchanged,
    Transfer,
)
from triton_deploy_core.small_files import check_small
from triton_deploy_storage._gcs import deleting, guarding, listing, uploading
from triton_deploy_storage._gcs.gcs_errors import gcs_errors
from triton_deploy_storage._gcs.limits import Limits
from triton_deploy_storage._gcs.location import GcsLocation
from triton_deploy_storage._gcs.probing import NOBODYS_GENERATION, probe
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._gcs.transferring import Transferring

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ABSENT = 0
_KEYS_AT_ONCE = 1000


class GcsStore:
    """A `BlobStore` in a bucket of Google Cloud Storage.

    Credentials are the application default ones; ``STORAGE_EMULATOR_HOST`` names an emulator. The
    bucket has to exist. Tags are the objects' generations, which never come back.

    Args:
        location: ``gs://bucket/prefix``, as Triton reads it.
        limits: sizes, and how much is done at once.

    Raises:
        InvalidSettingError: the location is none, or Triton would read it differently.
    """

    def __init__(self, location: str, *, limits: Limits | None = None) -> None:
        self._written = location
        self._service = Service(GcsLocation.parse(location), limits or Limits())

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return self._written

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return Capabilities(conditional_writes=True, copies_from=frozenset({"gs"}))

    def check(self) -> None:
        """See `BlobStore.check`."""
        probe(self._service)

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        with self._errors("list", "the repository"):
            yield from listing.directories(self._service)

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`."""
        with self._errors("list", prefix or "the repository"):
            yield from listing.blobs(self._service, prefix)

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        check_key(key)
        if is_marker(key):
            raise BlobNotFoundError(f"{key!r} in {self._written} is a directory, not a file")
        with self._errors("read", key):
            blob = self._service.blob(key)
            received = _SmallFile(partial(check_small, key, location=self._written))
            blob.download_to_file(received, checksum="crc32c", **self._service.options)
        if blob.generation is None:
            raise StoreAccessError(
                f"the service of bucket {self._service.location.bucket} does not say which "
                f"generation of {key} it sends: use Google's own or an emulator that does"
            )
        return BlobContent(received.getvalue(), str(blob.generation))

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        check_file_key(key)
        with self._errors("read", key):
            return guarding.age(self._service, key)

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`.

        Triton reads times to the millisecond here, and a write takes longer than that.
        """
        check_file_key(key)
        generation = _generation(condition)
        try:
            with self._errors("write", key):
                if guard is not None:
                    return guarding.write(self._service, key, data, guard)
                return uploading.put_bytes(self._service, key, data, generation)
        except BlobNotFoundError as error:
            raise PreconditionFailedError(
                f"{key} is not in {self._written} any more: somebody else removed it"
            ) from error

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        for item in transfers:
            check_transfer(item)
        progress.total(sum(item.source.size for item in transfers))
        if transfers:
            Transferring(self._service, progress, guard).run(transfers)

    def delete(
        self,
        keys: Iterable[str],
        *,
        guard: Guard | None = None,
        condition: IfUnchanged | None = None,
    ) -> None:
        """See `BlobStore.delete`."""
        if condition is not None:
            (key,) = keys
            with self._errors("delete", key):
                if guard is not None:
                    guarding.check(self._service, guard)
                deleting.delete_if(self._service, key, _generation(condition))
            return
        remaining = iter(keys)
        while batch := [*itertools.islice(remaining, _KEYS_AT_ONCE)]:
            for key in batch:
                check_key(key)
            if guard is not None:
                with self._errors("read", guard.key):
                    guarding.check(self._service, guard)
            deleting.delete(self._service, batch)

    def _errors(self, action: str, what: str) -> AbstractContextManager[None]:
        return gcs_errors(self._service.location.bucket, action, what)


def _generation(condition: Condition) -> int | None:
    match condition:
        case IfAbsent():
            return _ABSENT
        case IfUnchanged(etag):
            # 0 would mean that there is none, and what is no number is none of ours.
            return int(etag) if etag.isdecimal() and int(etag) else NOBODYS_GENERATION
        case None:
            return None


class _SmallFile(io.BytesIO):
    """Takes what comes until that is too much."""

    def __init__(self, check_size: Callable[[int], None]) -> None:
        super().__init__()
        self._check_size = check_size

    def write(self, data: Buffer, /) -> int:
        """See `io.BytesIO`."""
        self._check_size(self.tell() + memoryview(data).nbytes)
        return super().write(data)
