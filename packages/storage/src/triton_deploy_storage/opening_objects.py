"""From a repository's location to what looks at objects that its service can copy into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from triton_deploy_core.ports.objects import ObjectReader
from triton_deploy_storage.opening import open_store


def open_objects(location: str) -> ObjectReader | None:
    """Return what looks at objects that the service of a repository can copy into it.

    None where the repository is in no service, as a directory is.

    Raises:
        InvalidSettingError: as for `open_store`.
    """
    open_store(location)  # says what is wrong with it, or which library is missing
    opener = _OPENERS.get(location.partition("://")[0].lower())
    return opener(location) if opener is not None else None


def _s3(location: str) -> ObjectReader:
    from triton_deploy_storage.s3 import S3Objects  # noqa: PLC0415  (only when used)

    return S3Objects(location)


def _gcs(location: str) -> ObjectReader:
    from triton_deploy_storage.gcs import GcsObjects  # noqa: PLC0415  (only when used)

    return GcsObjects(location)


_OPENERS: Mapping[str, Callable[[str], ObjectReader]] = MappingProxyType({"s3": _s3, "gs": _gcs})
