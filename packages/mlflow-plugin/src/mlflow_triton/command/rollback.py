"""``mlflow-triton rollback``."""

from __future__ import annotations

import click

from mlflow_triton.command.options import CONTEXT, Given, as_json, given_settings, name_argument
from mlflow_triton.command.statuses import HELP, errors_reported


@click.command(context_settings=CONTEXT, epilog=HELP)
@name_argument
@click.option(
    "--version",
    type=click.IntRange(min=0),
    metavar="N",
    help="Which of Triton's versions, of those that the repository keeps (default: the one that "
    "served last).",
)
@given_settings()
@as_json
def main(*, name: str, version: int | None, given: Given, as_json: bool) -> None:
    """Go back to a version that served before, with the configuration that it had.

    The repository keeps one previous version, or as many as `-C keep_versions=N` of the updates
    said. Nothing is downloaded and no model file is transferred: MLflow need not be up. What serves
    now is kept, so that a second rollback returns to it. If the load fails, that goes on serving.
    """
    from mlflow_triton import bootstrap  # noqa: PLC0415 (slow)
    from mlflow_triton.command.json_forms import deployment_form, write_json  # noqa: PLC0415
    from mlflow_triton.quiet_libraries import be_quiet  # noqa: PLC0415 (only needed here)
    from mlflow_triton.rolling_back import roll_back  # noqa: PLC0415 (slow)
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    be_quiet()
    with errors_reported(as_json=as_json):
        settings = given.settings(Use.DELETE)
        with bootstrap.deployment_service(settings) as service:
            done = roll_back(service, name, version, settings)
        if as_json:
            write_json(deployment_form(done))
        else:
            click.echo(
                f"{name} serves version {done.version} again: {done.record.mlflow_model_uri}"
            )
