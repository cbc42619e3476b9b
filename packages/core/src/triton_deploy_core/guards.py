"""What every `BlobStore` does alike about guards."""

from __future__ import annotations

from triton_deploy_core.errors import StaleWriterError
from triton_deploy_core.ports.store import Guard


def stale_writer(guard: Guard, location: str) -> StaleWriterError:
    """Return the error of a change whose guard does not hold."""
    return StaleWriterError(
        f"{guard.key} in {location} belongs to another writer now: nothing was changed; "
        "start the operation again"
    )
