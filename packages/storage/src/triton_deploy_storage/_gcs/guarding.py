"""Changes that must not come late: see `Guard` and `BlobStore.write`."""

from __future__ import annotations

import io

from google.api_core.exceptions import ClientError, NotFound, PreconditionFailed

from triton_deploy_core.guards import stale_writer
from triton_deploy_core.ports.store import GUARD_BYTES, Guard
from triton_deploy_storage._gcs.gcs_errors import is_no_bucket
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._gcs.uploading import put_bytes

_NO_SUCH_BYTES = frozenset({404, 416})


def check(service: Service, guard: Guard) -> None:
    """Read the guard's object.

    Raises:
        StaleWriterError: the guard does not hold.
    """
    blob, received = service.blob(guard.key), io.BytesIO()
    try:
        blob.download_to_file(
            received, start=0, end=GUARD_BYTES - 1, checksum=None, **service.options
        )
    except ClientError as error:
        if error.code not in _NO_SUCH_BYTES or is_no_bucket(error):
            raise
        raise stale_writer(guard, service.location.bucket) from error
    if not guard.holds(received.getvalue()):
        raise stale_writer(guard, service.location.bucket)


def write(service: Service, key: str, data: bytes, guard: Guard) -> str:
    """Write an object by a copy of its staged content, and return its generation.

    The copy is the step that takes effect. It fails once the staged object is gone, which a writer
    that takes over sees to.

    Raises:
        StaleWriterError: the guard does not hold.
    """
    generation = put_bytes(service, guard.staging, data)
    check(service, guard)
    target = service.blob(key)
    try:
        target.rewrite(
            service.blob(guard.staging),
            if_source_generation_match=int(generation),
            **service.options,
        )
    except (NotFound, PreconditionFailed) as error:
        if is_no_bucket(error):
            raise
        raise stale_writer(guard, service.location.bucket) from error
    return str(target.generation)


def age(service: Service, key: str) -> float:
    """Return how many seconds ago an object was written; both times are the service's own."""
    blob = service.blob(key)
    blob.reload(**service.options)
    return max(0.0, float((service.now() - blob.updated).total_seconds()))
