"""From a repository's location, as a user writes it, to the adapter for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.ports.store import BlobStore

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(file):")


def open_store(location: str) -> BlobStore:
    """Return the store for a location: a path, a ``file://`` URI, or S3 as Triton writes it.

    Nothing is touched yet: see `BlobStore.check`.

    Raises:
        InvalidSettingError: no adapter is there for the location, or its library is missing.
    """
    if not location.strip():
        raise InvalidSettingError("the model repository is empty: give a directory or an s3:// URI")
    match = _SCHEME.match(location)
    scheme = (match[1] or match[2]).lower() if match else ""
    if scheme not in _ADAPTERS:
        # The location itself stays out of the message: a URI can hold a password.
        planned = " yet" if scheme in _PLANNED else ""
        raise InvalidSettingError(
            f"model repositories at {scheme}:// are not supported{planned}: this version supports "
            "local directories and S3; give a path, a file:// URI or s3://bucket/prefix"
        )
    return _ADAPTERS[scheme](location)


def _directory(location: str) -> BlobStore:
    from triton_deploy_storage.local import LocalStore  # noqa: PLC0415  (only when used)

    return LocalStore(location)


def _file_uri(location: str) -> BlobStore:
    from triton_deploy_storage.local import LocalStore  # noqa: PLC0415  (only when used)

    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise InvalidSettingError(
            f"the model repository {location} names another machine or no absolute path: "
            "write file:///path"
        )
    return LocalStore(unquote(parts.path), location=location)


def _s3(location: str) -> BlobStore:
    try:
        from triton_deploy_storage.s3 import S3Store  # noqa: PLC0415  (only when used)
    except ModuleNotFoundError as error:
        if error.name not in {"boto3", "botocore"}:
            raise
        raise InvalidSettingError(
            "model repositories at s3:// need boto3: pip install 'triton-deploy-storage[s3]'"
        ) from error
    return S3Store(location)


_ADAPTERS: Mapping[str, Callable[[str], BlobStore]] = MappingProxyType(
    {"": _directory, "file": _file_uri, "s3": _s3}
)
_PLANNED = frozenset({"gs"})
