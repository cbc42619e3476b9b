"""The S3 adapter itself: the port's methods, made of the pieces beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

from triton_deploy_core.clock import Clock, SystemClock
from triton_deploy_core.errors import BlobNotFoundError, StoreAccessError
from triton_deploy_core.keys import check_file_key, check_key, check_transfer, is_marker
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Blob,
    BlobContent,
    Capabilities,
    Condition,
    Guard,
    IfUnchanged,
    Transfer,
)
from triton_deploy_core.small_files import check_small
from triton_deploy_storage._s3 import deleting, guarding, listing, small_objects
from triton_deploy_storage._s3.client import LazyClient
from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.noticing import wait_until_noticed
from triton_deploy_storage._s3.options import ObjectOptions
from triton_deploy_storage._s3.probing import probe
from triton_deploy_storage._s3.s3_errors import s3_errors
from triton_deploy_storage._s3.transferring import Transferring


class S3Store:
    """A `BlobStore` in a bucket of Amazon S3 or of a service that speaks its protocol.

    Credentials, profile and region are boto3's: its default chain. The bucket has to exist. A
    configuration (``<name>/config.pbtxt``) is written up to a second late, so that Triton, which
    reads times in seconds, notices it.

    Args:
        location: ``s3://bucket/prefix`` or ``s3://http://host:port/bucket/prefix``, as Triton
            reads it.
        limits: sizes of parts, and how much is done at once.
        options: how objects are to be stored; the bucket's own ways where left out.
        clock: waits.

    Raises:
        InvalidSettingError: the location is none, or Triton would read it differently.
    """

    def __init__(
        self,
        location: str,
        *,
        limits: Limits | None = None,
        options: ObjectOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._written = location
        self._location = S3Location.parse(location)
        self._limits = limits or Limits()
        self._options = options or ObjectOptions()
        self._clock = clock or SystemClock()
        self._client = LazyClient(self._location, self._limits)

    @property
    def location(self) -> str:
        """See `BlobStore.location`."""
        return self._written

    @property
    def capabilities(self) -> Capabilities:
        """See `BlobStore.capabilities`."""
        return Capabilities(
            conditional_writes=True,
            copies_from=frozenset({"s3"}),
            tags_of_content=True,
            parallel_reads=self._limits.workers,
        )

    def check(self) -> None:
        """See `BlobStore.check`."""
        with self._errors("write to", "the repository"):
            probe(self._client.get(), self._location, self._options.of_all)

    def directories(self) -> Iterator[str]:
        """See `BlobStore.directories`."""
        with self._errors("list", "the repository"):
            yield from listing.directories(
                self._client.get(), self._location, self._limits.keys_per_page
            )

    def list(self, prefix: str) -> Iterator[Blob]:
        """See `BlobStore.list`."""
        with self._errors("list", prefix or "the repository"):
            yield from listing.blobs(
                self._client.get(), self._location, prefix, self._limits.keys_per_page
            )

    def read(self, key: str) -> BlobContent:
        """See `BlobStore.read`."""
        check_key(key)
        if is_marker(key):
            raise BlobNotFoundError(f"{key!r} in {self._written} is a directory, not a file")
        found = self._read_fast(key)
        if found is not None:
            return found
        with self._errors("read", key):
            return small_objects.read(
                self._client.get(),
                self._target(key),
                partial(check_small, key, location=self._written),
            )

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        check_file_key(key)
        with self._errors("read", key):
            return guarding.age(self._client.get(), self._target(key))

    def write(
        self, key: str, data: bytes, *, condition: Condition = None, guard: Guard | None = None
    ) -> str:
        """See `BlobStore.write`."""
        check_file_key(key)
        self._require_readable(key)
        client, options = self._client.get(), self._options.of_all
        with self._errors("write", key):
            wait_until_noticed(client, self._location, key, self._clock)
            if guard is not None:
                return guarding.write(
                    client, self._location, key, data, guard=guard, options=options
                )
            return small_objects.write(client, self._target(key), data, condition, options)

    def transfer(
        self, transfers: Sequence[Transfer], progress: Progress, *, guard: Guard | None = None
    ) -> None:
        """See `BlobStore.transfer`."""
        for item in transfers:
            check_transfer(item)
            self._require_readable(item.key)
        progress.total(sum(item.source.size for item in transfers))
        if transfers:
            Transferring(
                *(self._client, self._location, self._limits, progress, self._options.of_models),
                check=partial(self._check, guard),
            ).run(transfers)

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
            self._check(guard)
            with self._errors("delete", key):
                deleting.delete_if(self._client.get(), self._target(key), condition.etag)
            return
        deleting.in_batches(keys, self._limits, partial(self._delete, guard=guard))

    def _check(self, guard: Guard | None) -> None:
        if guard is not None:
            with self._errors("read", guard.key):
                guarding.check(self._client.get(), self._location, guard)

    def _delete(self, keys: Sequence[str], guard: Guard | None) -> None:
        for key in keys:
            check_key(key)
        self._check(guard)
        lane = self._client.lane()
        if lane is not None and lane.delete([self._location.root + key for key in keys]):
            return
        with self._errors("delete", f"{keys[0]} and {len(keys) - 1} more"):
            deleting.delete(self._client.get(), self._location, keys)

    def _read_fast(self, key: str) -> BlobContent | None:
        lane = self._client.lane()
        if lane is None:
            return None
        try:
            return lane.read(self._location.root + key)
        except KeyError as error:
            raise BlobNotFoundError(f"there is no file {key!r} in {self._written}") from error

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": self._location.root + key}

    def _require_readable(self, key: str) -> None:
        if not self._location.can_hold(key):
            raise StoreAccessError(
                f"cannot write {key!r} to {self._written}: behind an endpoint Triton reads names "
                "of letters, digits, '.', '-' and '_' only; rename it"
            )

    def _errors(self, action: str, what: str) -> AbstractContextManager[None]:
        return s3_errors(self._location.bucket, action, what)
