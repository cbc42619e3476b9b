"""``mlflow-triton reconcile``: bring one server to what the records say, and keep it so.

Also ``python -m mlflow_triton.reconcile``. For servers that read one repository and come up empty:
in a sidecar, in a loop, or once. What is imported here is what a probe needs, which runs every few
seconds.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import click

from mlflow_triton.command.options import CONTEXT, Given, as_json, given_settings
from mlflow_triton.command.statuses import errors_reported
from mlflow_triton.reconcile_status import complaint

_POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(context_settings=CONTEXT)
@given_settings()
@click.option(
    "--watch", type=_POSITIVE, metavar="SECONDS", help="Go on, with so much time between rounds."
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the server to come up; with --watch, as long as it takes.",
)
@click.option(
    "--parallelism",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many models to load at a time.",
)
@click.option(
    "--server-name",
    envvar="TRITON_SERVER_NAME",
    metavar="NAME",
    help="What this server is called, beside its URL (TRITON_SERVER_NAME; several with commas "
    "between), for deployments that are for some servers only.",
)
@click.option(
    "--tolerate-failed",
    is_flag=True,
    help="Let --probe call a server reconciled though it refuses to load some model.",
)
@click.option(
    "--status-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="TRITON_STATUS_FILE",
    help="Written after each round, for --probe (TRITON_STATUS_FILE).",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Do nothing but tell by the status file whether the server is reconciled.",
)
@click.option(
    "--max-age",
    type=_POSITIVE,
    metavar="SECONDS",
    help="With --probe: do not believe a status that is older.",
)
@as_json
def main(
    *,
    given: Given,
    watch: float | None,
    wait: float,
    parallelism: int,
    server_name: str | None,
    tolerate_failed: bool,
    status_file: Path | None,
    probe: bool,
    max_age: float | None,
    as_json: bool,
) -> None:
    """Have a Triton that came up empty serve what is deployed, and keep it so.

    What has not been loaded is loaded, what was deleted is unloaded, what was interrupted is
    finished or undone, and a server that a failed version keeps unready is healed. What somebody
    is at work on is left alone until the next round. It may be run at any time, again and again,
    beside any number of others. Several servers (--url a,b) are brought there together, as a fleet:
    beside each server that comes up by itself, one for that server alone is better.

    With --json each round is one line of JSON on standard output, beside the log.

    Status: 0 all is as recorded, or it was told to stop (SIGTERM, SIGINT); 1 something is left;
    2 a setting is wrong, the repository does not exist (with --watch it is waited for), or the
    server is not in EXPLICIT mode. With --probe: 0 the server has
    served all that is recorded since it came up; 1 it has not; 2 a setting is wrong.
    """
    if max_age is not None and not probe:
        raise click.UsageError("--max-age goes with --probe.")
    if probe:
        _probe(status_file, max_age)
    from mlflow_triton.logs import wanted_level  # noqa: PLC0415 (a probe needs none)
    from mlflow_triton.reconcile_run import Wish, run  # noqa: PLC0415 (slow; a probe needs none)

    with errors_reported():
        level = wanted_level()
    wish = Wish(
        given=given,
        watch=watch,
        wait=wait,
        parallelism=parallelism,
        server_names=tuple(filter(None, map(str.strip, (server_name or "").split(",")))),
        tolerate_failed=tolerate_failed,
        status_file=status_file,
        as_json=as_json,
        log_level=logging.INFO if level is None else level,
    )
    sys.exit(run(wish))


def _probe(status_file: Path | None, max_age: float | None) -> None:
    if status_file is None:
        raise click.UsageError("--probe needs --status-file (or TRITON_STATUS_FILE).")
    wrong = complaint(status_file, max_age=max_age, now=time.time())
    click.echo("reconciled" if wrong is None else f"not reconciled: {wrong}")
    sys.exit(0 if wrong is None else 1)


if __name__ == "__main__":
    main()
