"""Copies objects inside the service: no byte of them comes to this machine."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from google.api_core.exceptions import ClientError, NotFound, PreconditionFailed

from triton_deploy_core.errors import ModelSourceError, StoreUnavailableError
from triton_deploy_core.keys import check_file_key
from triton_deploy_core.ports.store import StoredBlob, StoredObject
from triton_deploy_storage._gcs.gcs_errors import is_no_bucket
from triton_deploy_storage._gcs.service import Service
from triton_deploy_storage._gcs.uploading import StoppedError

_SCHEME = "gs://"
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
    bucket, name = _place(service, source)
    found = _find(service, bucket, name, source.size)
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
            f"{_shown(bucket, name)} changed while it was copied; start again"
        ) from error
    if target.crc32c != found.crc32c:
        raise StoreUnavailableError(
            f"the copy of {_shown(bucket, name)} has another checksum than the original: try again"
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


def _find(service: Service, bucket: str, name: str, size: int) -> Any:
    shown = _shown(bucket, name)
    found = service.foreign(bucket, name)
    try:
        found.reload(**service.options)
    except ClientError as error:
        if error.code in _TRANSIENT:
            raise
        raise ModelSourceError(
            f"cannot copy {shown}: the service answers {error.code}; "
            "see that it exists and that these credentials may read it"
        ) from error
    if int(found.size) != size:
        raise ModelSourceError(
            f"{shown} has {found.size} bytes now, not {size}: it changed; start again"
        )
    return found


def _place(service: Service, source: StoredBlob | StoredObject) -> tuple[str, str]:
    if isinstance(source, StoredBlob):
        try:
            check_file_key(source.key)
        except ValueError as error:
            raise ModelSourceError(f"cannot copy {source.key!r}: {error}") from error
        return service.location.bucket, service.location.root + source.key
    bucket, _, name = source.uri.removeprefix(_SCHEME).partition("/")
    if not source.uri.startswith(_SCHEME) or not bucket or not name:
        raise ModelSourceError(f"cannot copy {source.uri!r}: it names no object in GCS")
    return bucket, name


def _shown(bucket: str, name: str) -> str:
    uri = f"{_SCHEME}{bucket}/{name}"
    return uri if uri.isprintable() else repr(uri)
