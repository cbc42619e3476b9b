"""Deletes objects, many at once. The service's batches would save no time and are never retried."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from google.api_core.exceptions import NotFound, PreconditionFailed

from triton_deploy_core.errors import BlobNotFoundError, PreconditionFailedError
from triton_deploy_storage._gcs.gcs_errors import LIBRARY_ERRORS, gcs_errors, is_no_bucket
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


def _delete_again(service: Service, blob: Any, generation: int | None) -> None:
    try:
        blob.delete(if_generation_match=generation, **service.options)
    except PreconditionFailed:
        blob.reload(**service.options)
        raise


def delete_if(service: Service, key: str, generation: int | None) -> None:
    """Delete an object that has this generation.

    Raises:
        PreconditionFailedError: it is gone.
        PreconditionFailed: it has another one.
    """
    blob = service.blob(key)
    try:
        try:
            blob.delete(
                if_generation_match=generation, timeout=service.options["timeout"], retry=None
            )
        except (NotFound, PreconditionFailed):
            raise
        except LIBRARY_ERRORS:
            # The answer may have been lost: then the second attempt finds nothing.
            with suppress(NotFound):
                _delete_again(service, blob, generation)
    except NotFound as error:
        if is_no_bucket(error):
            raise
        raise PreconditionFailedError(f"{key} is gone: read it again") from error
