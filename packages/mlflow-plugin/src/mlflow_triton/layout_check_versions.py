"""The versions in a model's directory, as Triton sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_deploy_core.layout import version_number
from triton_deploy_core.problems import Problem

if TYPE_CHECKING:
    from mlflow_triton.layout_check_tree import ModelTree


def version_directories(tree: ModelTree) -> tuple[int, ...]:
    """Return the versions whose directories are named as they should be, ascending."""
    return tuple(sorted(int(name) for name in _top_level(tree) if _is_version(name)))


def version_name_problems(tree: ModelTree) -> list[Problem]:
    """Return a problem for each directory that Triton half takes for a version."""
    problems = []
    for name in _top_level(tree):
        number = version_number(name)
        if number is None or _is_version(name):
            continue
        problems.append(
            Problem(
                f"{name}/",
                f"Triton takes this directory for version {number} and then can't find it",
                f"rename it to {number}, or so that it does not start with a digit"
                if number
                else "rename it: versions are 1, 2, 3, …",
            )
        )
    return problems


def missing_version_problem(*, is_ensemble: bool) -> Problem:
    """Return the problem of a model without any version."""
    remedy = (
        "an ensemble needs an empty one: make a directory named 1"
        if is_ensemble
        else "put the model's files into a directory named 1"
    )
    return Problem(".", "there is no version directory (1, 2, …)", remedy)


def _top_level(tree: ModelTree) -> list[str]:
    return sorted(path for path in tree.directories if "/" not in path)


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and not name.startswith("0")
