"""The file of a model that its ``MLmodel`` file names."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlflow_triton.ranged_reading import RangedReader
from triton_deploy_core.errors import InvalidPackageError, ModelSourceError

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput
    from triton_deploy_core.ports.store import Source


def inside(path: str) -> str:
    """Return a path that an ``MLmodel`` file names, if it does not leave the model.

    Raises:
        InvalidPackageError: it does.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise InvalidPackageError(
            f"The MLmodel file names {path!r}, which is outside of the model. Log it again."
        )
    return str(pure)


def find_logged(model: FlavorInput, *paths: str) -> tuple[str, Source]:
    """Return the path of a model's file and where its bytes are.

    Args:
        model: the model.
        paths: those that the file may have as its ``MLmodel`` file names them, the likeliest first.

    Raises:
        InvalidPackageError: a path leaves the model.
        ModelSourceError: there is no such file.
    """
    for named in paths:
        path = inside(named)
        source = model.files.find(path)
        if source is not None:
            return path, source
    message = f"The model has no file {paths[0]!r}, which its MLmodel file names. Log it again."
    raise ModelSourceError(message)


def reader_of(model: FlavorInput, path: str, source: Source) -> RangedReader:
    """Return a reader of a model's file, for few places of a long one."""
    return RangedReader(partial(model.files.read, path), source.size)
