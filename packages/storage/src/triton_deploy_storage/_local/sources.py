"""Where the bytes of a transfer come from, opened so that all kinds can be copied alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

from triton_deploy_core.errors import ModelSourceError, StoreAccessError
from triton_deploy_core.keys import check_file_key
from triton_deploy_core.ports.store import Content, Source, StoredBlob, StoredObject
from triton_deploy_storage._local.copying import open_file
from triton_deploy_storage._local.paths import reading_path
from triton_deploy_storage._local.staging import write_all


class OpenSource(Protocol):
    """A source that is there and can be read."""

    @property
    def mode(self) -> int:
        """The permissions of its copy, before the umask."""
        ...

    def copy_to(self, target: int, advance: Callable[[int], None]) -> None:
        """Copy everything into an open file, and tell of each piece."""
        ...


@dataclass(frozen=True, slots=True)
class _Bytes:
    data: bytes
    mode: int = 0o666

    def copy_to(self, target: int, advance: Callable[[int], None]) -> None:
        write_all(target, self.data)
        advance(len(self.data))


@contextmanager
def open_source(root: str, source: Source) -> Iterator[OpenSource]:
    """Open a source of any kind.

    Raises:
        ModelSourceError: it can't be read, or its size is not the one declared.
    """
    if isinstance(source, Content):
        yield _Bytes(source.data)
        return
    if isinstance(source, StoredBlob):
        path = _path_in_repository(root, source.key)
    elif isinstance(source, StoredObject):
        path = _path_of_uri(source.uri)
    else:
        path = str(source.path)
    with open_file(path, source.size) as opened:
        yield opened


def _path_in_repository(root: str, key: str) -> str:
    try:
        check_file_key(key)
        return reading_path(root, key)
    except (ValueError, StoreAccessError) as error:
        raise ModelSourceError(f"cannot copy within the model repository: {error}") from error


def _path_of_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise ModelSourceError(
            f"a local model repository cannot copy from a {parts.scheme or 'relative'} URI: "
            "download the model first, or name it by file:///path"
        )
    return unquote(parts.path)
