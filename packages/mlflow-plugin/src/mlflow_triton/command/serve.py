"""``mlflow-triton serve``: `mlflow deployments run-local`, with a name made up."""

from __future__ import annotations

import click

from mlflow_triton.command.options import CONTEXT, Given, given_settings
from mlflow_triton.command.statuses import HELP, errors_reported


@click.command(context_settings=CONTEXT, epilog=HELP)
@click.argument("model", metavar="MODEL")
@click.option("--name", help="What it is called (default: as the model is).")
@click.option("-f", "--flavor", help="As which flavor (default: found out from the model).")
@given_settings(server=False)
def main(*, model: str, name: str | None, flavor: str | None, given: Given) -> None:
    """Start a real Triton on this machine, deploy MODEL there, and serve until Ctrl-C.

    MODEL is a model URI or a directory, as for `check`. It is what `mlflow deployments run-local
    -t triton` does; -C http_port=, grpc_port=, metrics_port= and triton_model_repo= are its own.
    """
    from mlflow_triton.checking import name_for  # noqa: PLC0415 (slow)
    from mlflow_triton.local_run import serve_locally  # noqa: PLC0415 (slow)
    from mlflow_triton.quiet_libraries import be_quiet  # noqa: PLC0415 (only needed here)
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    be_quiet()
    with errors_reported():
        settings = given.settings(Use.RUN_LOCAL)
        serve_locally(name or name_for(model), model, flavor, settings)
