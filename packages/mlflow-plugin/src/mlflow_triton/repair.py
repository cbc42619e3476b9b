"""``mlflow-triton repair``: repair all deployments of a repository, or some.

Also ``python -m mlflow_triton.repair``.
"""

from __future__ import annotations

import sys

import click

from mlflow_triton.command.options import (
    CONTEXT,
    Given,
    as_json,
    complete_names,
    given_settings,
)
from mlflow_triton.command.statuses import DONE, HELP, LEFT, errors_reported

_WELL = frozenset({"fine", "repaired"})


@click.command(context_settings=CONTEXT, epilog=HELP)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_names)
@click.option("--name", "more", multiple=True, help="Likewise.", shell_complete=complete_names)
@given_settings()
@as_json
def main(*, names: tuple[str, ...], more: tuple[str, ...], given: Given, as_json: bool) -> None:
    """Finish or undo what was interrupted, and have Triton serve what is deployed.

    Deployments are named, or all in the repository are meant. Run it after a restart of Triton, or
    after a deploy was killed. What somebody is at work on is left alone. It may be run at any time,
    again and again.
    """
    from mlflow_triton import bootstrap  # noqa: PLC0415 (slow)
    from mlflow_triton.command.deployment_table import none_in  # noqa: PLC0415
    from mlflow_triton.command.json_forms import repair_form, write_json  # noqa: PLC0415
    from mlflow_triton.quiet_libraries import be_quiet  # noqa: PLC0415 (only needed here)
    from mlflow_triton.repair_reports import described, repair  # noqa: PLC0415
    from mlflow_triton.settings import Use  # noqa: PLC0415 (slow)

    be_quiet()
    chosen = tuple(dict.fromkeys((*names, *more)))
    with errors_reported(as_json=as_json):
        settings = given.settings(Use.DEPLOY | Use.UPDATE)
        with bootstrap.deployment_service(settings) as service:
            reports = [one for name in chosen or (None,) for one in repair(service, name, settings)]
    if as_json:
        write_json({"repairs": [repair_form(report) for report in reports]})
    else:
        for report in reports:
            click.echo(described(report))
        if not reports:
            click.echo(none_in(settings.triton_model_repo))
    sys.exit(DONE if all(report.outcome.value in _WELL for report in reports) else LEFT)


if __name__ == "__main__":
    main()
