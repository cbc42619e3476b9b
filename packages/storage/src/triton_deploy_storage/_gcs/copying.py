"""Copies objects inside the service: no byte of them comes to this machine."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from google.api_core.exceptions import ClientError, NotFound, PreconditionFailed

from triton_deploy_core.errors import ModelSourceError, StoreUnavailableError
from triton_deploy_core.ports.store import StoredBlob, StoredObject
from triton_deploy_storage._gcs.gcs_errors import is_no_bucket
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._gcs.uploading import StoppedError
from triton_deploy_storage._objects.places import place_of, shown

_SCHEME = "gs"
_TRANSIENT = frozenset({408, 429})


def copy(
    service: Service,
    key: str,
    source: StoredBlob | StoredObject,
    advance: Callable[[int], None],
    stop: Event,
) -> None:
    """Copy an object of any size; one onto itself needs no request.

    Raises:
        ModelSourceError: it is not there, can't be read, has another size or changes meanwhile.
        StoppedError: `stop` was set meanwhile.
    """
    location = service.location
    bucket, name = place_of(source, scheme=_SCHEME, bucket=location.bucket, root=location.root)
    found = _find(service, bucket, name, source)
    target = service.blob(key)
    if (target.bucket.name, target.name) == (bucket, name):
        advance(source.size)
        return
    try:
        _rewrite(service, target, found, advance, stop)
    except (PreconditionFailed, NotFound) as error:
        if is_no_bucket(error):
            raise
        raise ModelSourceError(
            f"{shown(_SCHEME, bucket, name)} changed while it was copied; start again"
        ) from error
    if target.crc32c != found.crc32c:
        raise StoreUnavailableError(
            f"{shown(_SCHEME, bucket, name)} and its copy have different checksums: try again"
        )


def _rewrite(
    service: Service, target: Any, found: Any, advance: Callable[[int], None], stop: Event
) -> None:
    """Call until the service is done: it copies between places a part at a time."""
    token, told = None, 0
    while True:
        if stop.is_set():
            raise StoppedError
        token, copied, _ = target.rewrite(
            found, token=token, if_source_generation_match=found.generation, **service.options
        )
        advance(copied - told)
        told = copied
        if token is None:
            return


def _find(service: Service, bucket: str, name: str, source: StoredBlob | StoredObject) -> Any:
    uri = shown(_SCHEME, bucket, name)
    found = service.foreign(bucket, name)
    try:
        found.reload(**service.options)
    except ClientError as error:
        if error.code in _TRANSIENT:
            raise
        raise ModelSourceError(
            f"cannot copy {uri}: the service answers {error.code}; "
            "see that it exists and that these credentials may read it"
        ) from error
    if int(found.size) != source.size:
        raise ModelSourceError(
            f"{uri} has {found.size} bytes now, not {source.size}: it changed; start again"
        )
    if isinstance(source, StoredObject) and source.etag not in {"", str(found.generation)}:
        raise ModelSourceError(f"{uri} has another content now: it changed; start again")
    return found
