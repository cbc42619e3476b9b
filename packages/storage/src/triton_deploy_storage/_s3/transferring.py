"""Puts many files at once: small ones beside each other, large ones one by one in many parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import StoredBlob, StoredObject, Transfer
from triton_deploy_storage._s3 import copying, uploading
from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import s3_errors


class Transferring:
    """One transfer of files into a repository."""

    def __init__(
        self,
        client: Any,
        location: S3Location,
        limits: Limits,
        progress: Progress,
        options: Mapping[str, str],
    ) -> None:
        self._client = client
        self._location = location
        self._limits = limits
        self._advance = progress.advance
        self._options = options

    def run(self, transfers: Sequence[Transfer]) -> None:
        """Put all files; the first error ends it when what is under way has come to its end."""
        large = [item for item in transfers if self._is_large(item)]
        with ThreadPoolExecutor(self._limits.workers, thread_name_prefix="s3") as pool:
            small = [
                pool.submit(self._put, item, None) for item in transfers if not self._is_large(item)
            ]
            try:
                for item in large:
                    self._put(item, pool)
                _await(small)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _is_large(self, item: Transfer) -> bool:
        copied = isinstance(item.source, StoredBlob | StoredObject)
        return item.source.size > (self._limits.whole_copy if copied else self._limits.part)

    def _put(self, item: Transfer, pool: ThreadPoolExecutor | None) -> None:
        target = {"Bucket": self._location.bucket, "Key": self._location.root + item.key}
        client, advance, options = self._client, self._advance, self._options
        with s3_errors(self._location.bucket, "write", item.key):
            if isinstance(item.source, StoredBlob | StoredObject):
                found = copying.find(client, self._location, item.source)
                if pool is None:
                    copying.copy_whole(client, target, found, advance, options=options)
                    return
                copying.copy_parts(
                    *(client, target, found, advance),
                    limits=self._limits,
                    pool=pool,
                    options=options,
                )
            elif pool is None:
                uploading.put_whole(client, target, item.source, advance, options=options)
            else:
                uploading.put_parts(
                    *(client, target, item.source, advance),
                    limits=self._limits,
                    pool=pool,
                    options=options,
                )


def _await(futures: Sequence[Future[None]]) -> None:
    for future in wait(futures, return_when=FIRST_EXCEPTION).done:
        future.result()
