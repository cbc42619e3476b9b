"""``mlflow-triton list``."""

from __future__ import annotations

import click

from mlflow_triton.command.options import CONTEXT, Given, as_json, given_settings
from mlflow_triton.command.statuses import HELP, errors_reported


@click.command(context_settings=CONTEXT, epilog=HELP)
@given_settings(loads=False)
@as_json
def main(*, given: Given, as_json: bool) -> None:
    """Show every deployment: name, state, version, flavor and model."""
    from mlflow_triton import bootstrap  # noqa: PLC0415 (slow)
    from mlflow_triton.command.deployment_table import table  # noqa: PLC0415
    from mlflow_triton.command.json_forms import deployment_form, write_json  # noqa: PLC0415
    from mlflow_triton.descriptions import told_once  # noqa: PLC0415
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    with errors_reported(as_json=as_json):
        settings = given.settings(Use.REQUEST)
        with bootstrap.deployment_service(settings) as service:
            found = service.list()
        if as_json:
            write_json({"deployments": [deployment_form(one) for one in found]})
            return
        told_once(found)
        click.echo(table(found, settings.triton_model_repo))
