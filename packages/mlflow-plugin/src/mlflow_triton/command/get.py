"""``mlflow-triton get``."""

from __future__ import annotations

from contextlib import closing

import click

from mlflow_triton.command.options import CONTEXT, Given, as_json, given_settings, name_argument
from mlflow_triton.command.statuses import HELP, errors_reported


@click.command(context_settings=CONTEXT, epilog=HELP)
@name_argument
@given_settings(loads=False)
@as_json
def main(*, name: str, given: Given, as_json: bool) -> None:
    """Show one deployment: what serves, what it takes, and what does not agree about it."""
    from mlflow_triton import bootstrap  # noqa: PLC0415 (slow)
    from mlflow_triton.command.json_forms import deployment_form, write_json  # noqa: PLC0415
    from mlflow_triton.descriptions import describe  # noqa: PLC0415
    from mlflow_triton.serving_details import serving_details  # noqa: PLC0415
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    with errors_reported(as_json=as_json):
        settings = given.settings(Use.REQUEST)
        with bootstrap.deployment_service(settings) as service:
            deployment = service.get(name)
        details = {}
        if deployment.versions:
            with closing(bootstrap.server(settings)) as server:
                details = serving_details(server, name)
        if as_json:
            write_json({**deployment_form(deployment), "serving": details})
            return
        shown = {**describe(deployment), **details}
        width = max(map(len, shown))
        for key, text in shown.items():
            click.echo(f"{key.ljust(width)}  {text}")
