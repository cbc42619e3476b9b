"""Puts many files at once, large ones beside small ones."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from threading import Event

from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.store import Guard, StoredBlob, StoredObject, Transfer
from triton_deploy_storage._gcs.copying import copy
from triton_deploy_storage._gcs.gcs_errors import gcs_errors
from triton_deploy_storage._gcs.guarding import check
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._gcs.uploading import put


class Transferring:
    """One transfer of files into a repository."""

    def __init__(self, service: Service, progress: Progress, guard: Guard | None) -> None:
        self._service = service
        self._guard = guard
        self._advance = progress.advance
        self._stop = Event()

    def run(self, transfers: Sequence[Transfer]) -> None:
        """Put all files; the first error ends it when the requests under way have been answered."""
        limits = self._service.limits
        with ExitStack() as stack:
            small = stack.enter_context(ThreadPoolExecutor(limits.workers, "gcs"))
            large = stack.enter_context(ThreadPoolExecutor(limits.large_at_once, "gcs-large"))
            futures = [
                (large if self._is_large(item) else small).submit(self._put, item)
                for item in transfers
            ]
            try:
                _await(futures)
            except BaseException:
                self._stop.set()
                for pool in (small, large):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _is_large(self, item: Transfer) -> bool:
        copied = isinstance(item.source, StoredBlob | StoredObject)
        return not copied and item.source.size > self._service.limits.whole

    def _put(self, item: Transfer) -> None:
        with gcs_errors(self._service.location.bucket, "write", item.key):
            if self._guard is not None:
                check(self._service, self._guard)
            if isinstance(item.source, StoredBlob | StoredObject):
                copy(self._service, item.key, item.source, self._advance, self._stop)
            else:
                put(self._service, item.key, item.source, self._advance, self._stop)


def _await(futures: Sequence[Future[None]]) -> None:
    for future in wait(futures, return_when=FIRST_EXCEPTION).done:
        future.result()
