"""How Triton reads a model's directory: which entries are versions, and where a file lies."""

from __future__ import annotations

import re
from collections.abc import Iterable

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.names import DeploymentName

_VERSION = re.compile(r"0(?![0-9])|[1-9][0-9]*", re.ASCII)

UNFINISHED_CONFIG = b"""\
# These files are about to be completed or removed. Until then no server shall load them, which
# this name sees to: it is not the directory's.
name: "unfinished deployment"
"""
"""A configuration that Triton refuses before it looks at a file or a version of the model.

A load under it is answered with "failed to poll" and does not touch the server's readiness (seen
on Triton 2.51), unlike a load of files of which some are missing.
"""


MAX_VERSION = 2**63 - 1
"""The highest version number. A directory with a higher one aborts Triton 2.51 at each load."""

WARMUP = "warmup/"
"""Where Triton looks for data that ``model_warmup`` names; it reads no other file there."""

_NAMED_CONFIG = re.compile(r"configs/.+\.pbtxt", re.DOTALL)


def is_named_config(path: str) -> bool:
    """Tell whether a path inside a model's directory is a configuration for some hardware.

    Triton reads ``configs/<name>.pbtxt`` when it was started with ``--model-config-name``.
    """
    return _NAMED_CONFIG.fullmatch(path) is not None


def version_number(directory: str) -> int | None:
    """Return the version that Triton takes a directory inside a model for.

    Any directory whose name starts with a digit is one, so ``7tmp`` is 7; but Triton ignores those
    with leading zeros (``07``). 0 itself is a version.
    """
    match = _VERSION.match(directory)
    return int(match.group()) if match else None


def is_version(number: object) -> bool:
    """Tell whether this is a number that Triton can take for a version."""
    return type(number) is int and 0 <= number <= MAX_VERSION


def absurd_versions(paths: Iterable[str]) -> list[str]:
    """Return the version directories among paths whose number aborts Triton, one of each."""
    found = {path.partition("/")[0]: version_of(path) for path in paths if "/" in path}
    return sorted(name for name, number in found.items() if (number or 0) > MAX_VERSION)


def require_loadable(paths: Iterable[str], what: str) -> None:
    """Make sure that no version directory would abort Triton.

    Args:
        paths: inside the model's directory.
        what: whose, for the message.

    Raises:
        InvalidPackageError: one would.
    """
    absurd = absurd_versions(paths)
    if absurd:
        raise InvalidPackageError(
            f"{what} has the version directory {absurd[0][:40]}, but Triton's highest version is "
            f"{MAX_VERSION}: a higher one aborts the whole server. Rename or remove it."
        )


def versions(paths: Iterable[str]) -> frozenset[int]:
    """Return the versions among paths inside a model's directory (``1/model.onnx``, ``2/``)."""
    numbers = (version_of(path) for path in paths)
    return frozenset(number for number in numbers if number is not None)


def version_of(path: str) -> int | None:
    """Return the version that a path inside a model's directory belongs to, if any."""
    directory, slash, _ = path.partition("/")
    return version_number(directory) if slash else None


def prefix(name: DeploymentName) -> str:
    """Return what the keys of all files of a deployment start with."""
    return f"{name}/"
