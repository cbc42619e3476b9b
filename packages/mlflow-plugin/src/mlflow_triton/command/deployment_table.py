"""Deployments as a table, for people."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow_triton.descriptions import describe, one_line
from triton_deploy_core.deployment import Deployment

_HEADER = ("NAME", "STATE", "VERSION", "FLAVOR", "MODEL")


def table(deployments: Sequence[Deployment], repository: str) -> str:
    """Return a line for each, under those that do not serve also why."""
    if not deployments:
        return none_in(repository)
    rows = [_HEADER, *map(_row, deployments)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = []
    for row, notes in zip(rows, [[], *map(_notes, deployments)], strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines += ["  ".join(cells).rstrip(), *(f"  {note}" for note in notes)]
    return "\n".join(lines)


def none_in(repository: str) -> str:
    """Return what is said of a repository without deployments."""
    return f"There are no deployments in {one_line(repository)}."


def _row(deployment: Deployment) -> tuple[str, ...]:
    shown = describe(deployment)
    versions = shown.get("versions", shown["version"])
    model = shown["mlflow_model_uri"]
    return shown["name"], shown["state"], versions, shown["flavor"], model


def _notes(deployment: Deployment) -> list[str]:
    shown = describe(deployment, is_silence_told=True)
    keys = ("reason", "deployed_to", "servers", "differences")
    return [f"{key}: {one_line(shown[key])}" for key in keys if key in shown]
