"""What ``--json`` writes. The keys are documented in docs/command.md, and stay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from triton_deploy_core.deployment import Deployment, OnServer
    from triton_deploy_core.problems import Problem
    from triton_deploy_core.repairing import Repair


def write_json(value: Mapping[str, Any]) -> None:
    """Write one object on one line to standard output."""
    click.echo(json.dumps(value))


def deployment_form(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment as it stands."""
    record = deployment.record
    return {
        "name": deployment.name,
        "state": deployment.state.value,
        "version": deployment.version,
        "versions": list(deployment.versions),
        "reason": deployment.reason,
        "flavor": record.flavor,
        "mlflow_model_uri": record.mlflow_model_uri,
        "triton_model_path": record.triton_model_path,
        "deployed_to": record.servers,
        "servers": {url: _server_form(one) for url, one in deployment.servers.items()},
        "differences": [
            {
                "kind": difference.kind.value,
                "text": difference.text,
                "repairable": difference.is_repairable,
            }
            for difference in deployment.differences
        ],
        "repairable": deployment.is_repairable,
    }


def _server_form(one: OnServer) -> dict[str, Any]:
    return {
        "state": None if one.state is None else one.state.value,
        "version": one.version,
        "versions": list(one.versions),
        "reason": one.reason,
    }


def repair_form(report: Repair) -> dict[str, Any]:
    """Return what the repair of one name did."""
    return {
        "name": report.name,
        "outcome": report.outcome.value,
        "done": list(report.done),
        "problem": None if report.error is None else str(report.error),
    }


def problem_forms(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """Return what is wrong, one object for each problem."""
    return [
        {"path": problem.path, "message": problem.message, "remedy": problem.remedy}
        for problem in problems
    ]
