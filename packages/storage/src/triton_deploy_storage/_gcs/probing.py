"""Finds out whether a bucket can be written, and whether its service knows conditional writes."""

from __future__ import annotations

from triton_deploy_core.errors import BlobNotFoundError, PreconditionFailedError, StoreAccessError
from triton_deploy_storage._gcs.gcs_errors import gcs_errors
from triton_deploy_storage._gcs.service import Service

_KEY = ".triton-deploy-probe"
NOBODYS_GENERATION = 1
"""A time in microseconds since 1970, when nothing was stored yet."""


def probe(service: Service) -> None:
    """Ask for a write that must be refused, since its condition does not hold.

    Who may not write is told so before the condition is looked at. A service that does not know
    conditions writes the object: it is removed again.

    Raises:
        StoreAccessError: the service does not know conditional writes.
        StoreError: there is no such bucket, or it can't be written.
    """
    blob = service.blob(_KEY)
    with gcs_errors(service.location.bucket, "write to", "the repository"):
        try:
            with gcs_errors(service.location.bucket, "write to", "the repository"):
                blob.upload_from_string(
                    b"", if_generation_match=NOBODYS_GENERATION, **service.options
                )
        except (PreconditionFailedError, BlobNotFoundError):
            return
        service.blob(_KEY).delete(**service.options)
    raise StoreAccessError(
        f"the service of bucket {service.location.bucket} ignores conditional writes "
        "(ifGenerationMatch), so two operations could spoil each other's work: use Google's own "
        "or an emulator that knows them"
    )
