"""``mlflow-triton check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlflow_triton.command.options import CONTEXT, Given, as_json, given_settings
from mlflow_triton.command.statuses import HELP, CommandError, errors_reported

if TYPE_CHECKING:
    from mlflow_triton.checking import Checked


@click.command(context_settings=CONTEXT, epilog=HELP)
@click.argument("model", metavar="MODEL")
@click.option("--name", help="What it would be called (default: as the model is).")
@click.option("-f", "--flavor", help="As which flavor (default: found out from the model).")
@given_settings(server=False)
@as_json
def main(*, model: str, name: str | None, flavor: str | None, given: Given, as_json: bool) -> None:
    """Say what would be deployed of MODEL, and everything that Triton would refuse.

    MODEL is a model URI (models:/iris/1, runs:/…), an MLflow model's directory, or a directory in
    Triton's own layout. -C takes what it takes for a create. No server and no repository is asked,
    and nothing is written.
    """
    from mlflow_triton.checking import check_model  # noqa: PLC0415 (slow)
    from mlflow_triton.command.json_forms import problem_forms, write_json  # noqa: PLC0415
    from mlflow_triton.quiet_libraries import be_quiet  # noqa: PLC0415 (only needed here)
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    be_quiet()
    with errors_reported(as_json=as_json):
        settings = given.settings(Use.DEPLOY)
        checked = check_model(model, flavor, settings, name=name or "")
    if as_json:
        files = [{"path": path, "bytes": size} for path, size in checked.files.items()]
        write_json(
            {
                "model": model,
                "name": checked.name,
                "flavor": checked.flavor,
                "fit": not checked.problems,
                "problems": problem_forms(checked.problems),
                "needs": list(checked.needs),
                "files": files,
                "config": checked.config,
            }
        )
    else:
        _tell(checked)
    if checked.problems:
        count = len(checked.problems)
        raise CommandError(
            f"{model}: {count} problem{'s' if count > 1 else ''}, it can't be deployed."
        )


def _tell(checked: Checked) -> None:
    if checked.problems:
        for problem in checked.problems:
            click.echo(str(problem), err=True)
        return
    click.echo(f"{checked.model} is fit for Triton, as flavor {checked.flavor}.")
    for need in checked.needs:
        click.echo(f"It needs, {need}")
    click.echo(f"Files of the deployment '{checked.name}':")
    width = max(map(len, checked.files), default=0)
    for path, size in checked.files.items():
        click.echo(f"  {path.ljust(width)}  {size} bytes")
    if checked.config is not None:
        click.echo("config.pbtxt:")
        for line in checked.config.rstrip().splitlines():
            click.echo(f"  {line}".rstrip())
