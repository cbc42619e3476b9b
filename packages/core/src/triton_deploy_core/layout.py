"""How Triton reads a model's directory: which entries are versions, and where a file lies."""

from __future__ import annotations

import re
from collections.abc import Iterable

from triton_deploy_core.names import DeploymentName

_LEADING_DIGITS = re.compile(r"[0-9]+", re.ASCII)


def version_number(directory: str) -> int | None:
    """Return the version that Triton takes a directory inside a model for.

    Any directory whose name starts with a digit is one: ``007`` is 7, and so is ``7tmp``.
    """
    match = _LEADING_DIGITS.match(directory)
    return int(match.group()) if match else None


def versions(paths: Iterable[str]) -> frozenset[int]:
    """Return the versions among paths inside a model's directory (``1/model.onnx``, ``2/``)."""
    return frozenset(_versions(paths))


def _versions(paths: Iterable[str]) -> Iterable[int]:
    for path in paths:
        directory, slash, _ = path.partition("/")
        number = version_number(directory) if slash else None
        if number is not None:
            yield number


def version_of(path: str) -> int | None:
    """Return the version that a path inside a model's directory belongs to, if any."""
    directory, slash, _ = path.partition("/")
    return version_number(directory) if slash else None


def prefix(name: DeploymentName) -> str:
    """Return what the keys of all files of a deployment start with."""
    return f"{name}/"
