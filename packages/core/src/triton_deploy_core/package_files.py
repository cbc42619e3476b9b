"""Which of a package's files are transferred: not what is ours to write, not what is no file."""

from __future__ import annotations

from collections.abc import Mapping

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import OWN_DIRECTORY
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.keys import check_key, without_implied
from triton_deploy_core.package import CONFIG_FILE, VersionPackage
from triton_deploy_core.ports.store import Source
from triton_deploy_core.records import RECORD_FILE

OWN_FILES = frozenset({CONFIG_FILE, RECORD_FILE})
"""Ours to write: the configuration, whose write is the commit, and the record."""


def numbered(package: VersionPackage, number: int) -> dict[str, Source]:
    """Return a version's files, and those beside it, at their places in the model's directory.

    Raises:
        InvalidPackageError: a path leaves the model's directory, or is kept for bookkeeping.
    """
    of_version = {f"{number}/{path}": source for path, source in package.files.items()}
    return usable({**of_version, **package.beside})


def usable(files: Mapping[str, Source]) -> dict[str, Source]:
    """Leave out what is ours to write, and markers of directories that are not empty.

    Raises:
        InvalidPackageError: a path leaves the model's directory, or is kept for bookkeeping.
    """
    layout.require_loadable(files, "The model")
    for path in files:
        try:
            check_key(path)
        except ValueError as error:
            raise InvalidPackageError(
                f"The model has a file that can't be stored: {error}. Rename it, and log the model "
                "again."
            ) from error
        if path.startswith(OWN_DIRECTORY) or path == OWN_DIRECTORY.removesuffix("/"):
            raise InvalidPackageError(
                f"The model has a file {path!r}, but {OWN_DIRECTORY} is kept for files that a "
                "deployment in progress needs. Remove it from the model, or rename it."
            )
    return {path: files[path] for path in without_implied(files) if not is_written_apart(path)}


def is_written_apart(path: str) -> bool:
    """Tell whether a file is none of those that are transferred: records and configurations."""
    return path in OWN_FILES or layout.is_named_config(path)
