"""The versions in a model's directory, as Triton sees them."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from triton_deploy_core.layout import version_number
from triton_deploy_core.problems import Problem

if TYPE_CHECKING:
    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.store import Source


def version_directories(tree: ModelTree[Source]) -> tuple[int, ...]:
    """Return the versions whose directories are named as they should be, ascending."""
    return tuple(sorted(int(name) for name in _top_level(tree) if _is_version(name)))


def version_name_problems(tree: ModelTree[Source]) -> list[Problem]:
    """Return a problem for each directory that Triton half takes for a version."""
    return [
        _name_problem(name)
        for name in _top_level(tree)
        if name[:1] in string.digits and not _is_version(name)
    ]


def _name_problem(name: str) -> Problem:
    number = version_number(name)
    if number:
        return Problem(
            f"{name}/",
            f"Triton takes this directory for version {number} and then can't find it",
            f"rename it to {number}, or so that it does not start with a digit",
        )
    what = "Triton ignores this directory: a version has no leading zeros"
    if number == 0:
        what = "version 0 is none that MLflow or a client can ask for"
    return Problem(f"{name}/", what, "rename it: versions are 1, 2, 3, …")


def missing_version_problem(*, is_ensemble: bool) -> Problem:
    """Return the problem of a model without any version."""
    remedy = (
        "an ensemble needs an empty one: make a directory named 1"
        if is_ensemble
        else "put the model's files into a directory named 1"
    )
    return Problem(".", "there is no version directory (1, 2, …)", remedy)


def _top_level(tree: ModelTree[Source]) -> list[str]:
    return sorted(path for path in tree.directories if "/" not in path)


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and not name.startswith("0")
