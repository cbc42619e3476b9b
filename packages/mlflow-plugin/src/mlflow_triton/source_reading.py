"""Reads parts of a package's file, wherever its bytes are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mlflow_triton.model_files import ListedFiles
from triton_deploy_core.ports.store import Content, LocalFile, Source, StoredObject

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_FILE = "file"


def fetch_of(source: Source, files: ModelFiles | None) -> Callable[[int, int], bytes] | None:
    """Return what takes an offset and a length and returns so many bytes of a file.

    Args:
        source: where its bytes are.
        files: the files that an object in a store may be one of.

    Returns:
        The function, which raises `ModelSourceError` where the file can't be read; None where
        nobody here reaches the file.
    """
    match source:
        case LocalFile() | Content():
            return partial(ListedFiles(_FILE, {_FILE: source}).read, _FILE)
        case StoredObject() if files is not None:
            listed = files.tree("")[0].files.items()
            path = next((path for path, other in listed if other == source), None)
            return None if path is None else partial(files.read, path)
        case _:
            return None
