"""Deletes objects, many at once. The service's batches would save no time and are never retried."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from triton_deploy_core.errors import BlobNotFoundError
from triton_deploy_storage._gcs.gcs_errors import gcs_errors
from triton_deploy_storage._gcs.service import Service


def delete(service: Service, keys: Sequence[str]) -> None:
    """Delete keys; those that are not there are no error."""

    def remove(key: str) -> None:
        try:
            with gcs_errors(service.location.bucket, "delete", key):
                service.blob(key).delete(**service.options)
        except BlobNotFoundError:
            pass

    unique = [*dict.fromkeys(keys)]
    with ThreadPoolExecutor(min(service.limits.workers, len(unique)), "gcs") as pool:
        futures = [pool.submit(remove, key) for key in unique]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
