"""From a repository's location, as a user writes it, to the adapter for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.ports.store import BlobStore

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(file):")


def open_store(location: str, *, s3: Mapping[str, str] | None = None) -> BlobStore:
    """Return the store for a location: a path, a ``file://`` URI, S3 or GCS as Triton writes it.

    Nothing is touched yet: see `BlobStore.check`.

    Args:
        location: where it is.
        s3: how objects are stored there if it is on S3: the attributes of `s3.ObjectOptions` by
            their names.

    Raises:
        InvalidSettingError: no adapter is there for the location, or its library is missing.
    """
    if not location.strip():
        raise InvalidSettingError(
            "the model repository is empty: give a directory, s3:// or gs:// URI"
        )
    match = _SCHEME.match(location)
    scheme = (match[1] or match[2]).lower() if match else ""
    if scheme not in _ADAPTERS:
        # The location itself stays out of the message: a URI can hold a password.
        raise InvalidSettingError(
            f"model repositories at {scheme}:// are not supported: give a local directory "
            "(a path or a file:// URI), s3://bucket/prefix or gs://bucket/prefix"
        )
    return _ADAPTERS[scheme](location, s3 or {})


def _directory(location: str, _: Mapping[str, str]) -> BlobStore:
    from triton_deploy_storage.local import LocalStore  # noqa: PLC0415  (only when used)

    return LocalStore(location)


def _file_uri(location: str, _: Mapping[str, str]) -> BlobStore:
    from triton_deploy_storage.local import LocalStore  # noqa: PLC0415  (only when used)

    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise InvalidSettingError(
            f"the model repository {location} names another machine or no absolute path: "
            "write file:///path"
        )
    return LocalStore(unquote(parts.path), location=location)


def _s3(location: str, options: Mapping[str, str]) -> BlobStore:
    try:
        from triton_deploy_storage import s3  # noqa: PLC0415  (only when used)
    except ModuleNotFoundError as error:
        raise _without_library(error, "s3", "boto3", "botocore") from error
    return s3.S3Store(location, options=s3.ObjectOptions.of(options))


def _gcs(location: str, _: Mapping[str, str]) -> BlobStore:
    try:
        from triton_deploy_storage.gcs import GcsStore  # noqa: PLC0415  (only when used)
    except ModuleNotFoundError as error:
        raise _without_library(
            error, "gcs", "google-cloud-storage", "google", "requests"
        ) from error
    return GcsStore(location)


def _without_library(error: ModuleNotFoundError, extra: str, *names: str) -> Exception:
    """Return what to raise instead: the error itself, where it is not about these libraries."""
    if (error.name or "").partition(".")[0] not in names:
        return error
    return InvalidSettingError(
        f"model repositories of this kind need {names[0]}: "
        f"pip install 'triton-deploy-storage[{extra}]'"
    )


_ADAPTERS: Mapping[str, Callable[[str, Mapping[str, str]], BlobStore]] = MappingProxyType(
    {"": _directory, "file": _file_uri, "s3": _s3, "gs": _gcs}
)
