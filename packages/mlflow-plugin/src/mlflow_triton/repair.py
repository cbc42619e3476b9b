"""``python -m mlflow_triton.repair``: repair all deployments of a repository, or one.

MLflow's command line has no verb for that. The status is 1 where anything is left to be done.
"""

from __future__ import annotations

import sys

import click
from mlflow.deployments import get_deploy_client

from mlflow_triton.command_options import CONTEXT, config_of, server_and_repository

_DONE = frozenset({"fine", "repaired"})


@click.command(context_settings=CONTEXT)
@click.option("--name", help="One deployment; all that are in the repository if left out.")
@server_and_repository
def main(name: str | None, url: str | None, repo: str | None, timeout: str | None) -> None:
    """Finish or undo what was interrupted, and have Triton serve what is deployed.

    Run it after a restart of Triton, or after a deploy was killed. What somebody is at work on is
    left alone. It may be run at any time, again and again.
    """
    client = get_deploy_client("triton")
    reports = client.repair_deployments(name, config_of(url, repo, timeout))
    for report in reports:
        words = [report["outcome"], report.get("done", ""), report.get("problem", "")]
        click.echo(f"{report['name']}: {': '.join(filter(None, words))}")
    if not reports:
        click.echo("There are no deployments in the repository.")
    if any(report["outcome"] not in _DONE for report in reports):
        sys.exit(1)


if __name__ == "__main__":
    main()
