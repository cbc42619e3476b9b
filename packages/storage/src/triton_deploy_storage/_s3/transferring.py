"""Puts many files at once, the small beside the large, with a limit on what is in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from triton_deploy_core.parallel import for_each
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import (
    Content,
    LocalFile,
    StoredBlob,
    StoredObject,
    Transfer,
)
from triton_deploy_storage._objects.budget import Budget
from triton_deploy_storage._objects.fast_uploading import put_fast
from triton_deploy_storage._objects.telling import Telling
from triton_deploy_storage._s3 import copying, multipart, uploading
from triton_deploy_storage._s3.client import LazyClient
from triton_deploy_storage._s3.limits import Limits, ranges
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.s3_errors import s3_errors


class Transferring:
    """One transfer of files into a repository."""

    def __init__(
        self,
        client: LazyClient,
        location: S3Location,
        limits: Limits,
        progress: Progress,
        options: Mapping[str, str],
        *,
        check: Callable[[], None],
    ) -> None:
        self._client = client.get()
        self._check = check
        # obstore knows no access control list, and signs no header that is not its own.
        self._lane = None if options else client.lane()
        self._location = location
        self._limits = limits
        self._advance = progress.advance
        self._options = options
        self._memory = Budget(limits.memory)
        self._turns = threading.BoundedSemaphore(limits.client_workers)
        self._stopped = threading.Event()
        self._parts = ThreadPoolExecutor(limits.parts_at_once, thread_name_prefix="s3-part")

    def run(self, transfers: Sequence[Transfer]) -> None:
        """Put all files; the first error ends it when what is under way has come to its end."""
        # The largest take longest, so they begin first.
        items = sorted(transfers, key=lambda item: item.source.size, reverse=True)
        threads = min(self._limits.workers, len(items))
        with self._parts:
            for_each(self._put, items, threads=threads, stopped=self._stopped)

    def _put(self, item: Transfer) -> None:
        target = {"Bucket": self._location.bucket, "Key": self._location.root + item.key}
        self._check()
        if isinstance(item.source, StoredBlob | StoredObject):
            with self._turn(item.key):
                self._copy(target, item.source)
            return
        held = min(item.source.size, self._limits.part * self._limits.parts_at_once)
        with self._memory.lending(held):
            advance = Telling(self._advance)
            if not self._put_fast(target, item.source, advance):
                advance.start_again()
                with self._turn(item.key):
                    self._put_slowly(target, item.source, advance)

    def _copy(self, target: dict[str, str], source: StoredBlob | StoredObject) -> None:
        found = copying.find(self._client, self._location, source)
        if source.size <= self._limits.whole_copy:
            copying.copy_whole(self._client, target, found, self._advance, options=self._options)
            return
        copying.copy_parts(
            *(self._client, target, found, self._advance),
            limits=self._limits,
            pool=self._parts,
            options=self._options,
        )

    def _put_slowly(
        self, target: dict[str, str], source: LocalFile | Content, advance: Callable[[int], None]
    ) -> None:
        if source.size <= self._limits.part:
            uploading.put_whole(self._client, target, source, advance, options=self._options)
            return
        uploading.put_parts(
            *(self._client, target, source, advance),
            limits=self._limits,
            pool=self._parts,
            options=self._options,
        )

    def _put_fast(
        self, target: dict[str, str], source: LocalFile | Content, advance: Callable[[int], None]
    ) -> bool:
        if self._lane is None or self._lane.is_closed:
            return False
        parts = ranges(source.size, self._limits.part)
        try:
            return put_fast(
                *(self._lane, target["Key"], source),
                parts=parts,
                advance=advance,
                stopped=self._stopped,
            )
        finally:
            # obstore does not tell whether the answer to a beginning was lost: then there are two.
            if len(parts) > 1:
                multipart.abort_leftovers(self._client, target)

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        with self._turns, s3_errors(self._location.bucket, "write", key):
            yield
