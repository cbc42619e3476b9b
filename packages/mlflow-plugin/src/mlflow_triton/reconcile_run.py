"""One run of ``mlflow-triton reconcile``, from its settings to its exit status."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from mlflow_triton import bootstrap
from mlflow_triton.command.options import Given
from mlflow_triton.command.statuses import DONE, LEFT, status_of
from mlflow_triton.descriptions import one_line
from mlflow_triton.log_progress import LogProgress
from mlflow_triton.logs import logged_to_stderr
from mlflow_triton.reconcile_log import LOGGER, RoundLog
from mlflow_triton.reconcile_loop import ReconcileLoop
from mlflow_triton.reconcile_status import Status
from mlflow_triton.settings import Use
from mlflow_triton.stopping import stopped_by_signals
from triton_deploy_core.errors import DeployError, InvalidSettingError
from triton_deploy_core.reconciling import DEFAULT_PARALLELISM


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for.

    Attributes:
        given: settings.
        watch: seconds between rounds; None: one round.
        wait: seconds that the server may take to come up, for one round.
        parallelism: so many loads at once at most.
        server_names: what the server is called, beside its URL.
        tolerate_failed: see `ReconcileLoop`.
        status_file: where to tell probes.
        as_json: whether each round is also written to standard output, as one line of JSON.
        log_level: how much is logged.
    """

    given: Given
    watch: float | None = None
    wait: float = 300.0
    parallelism: int = DEFAULT_PARALLELISM
    server_names: tuple[str, ...] = ()
    tolerate_failed: bool = False
    status_file: Path | None = None
    as_json: bool = False
    log_level: int = logging.INFO


def run(wish: Wish) -> int:
    """Reconcile, and return the exit status."""
    with logged_to_stderr(wish.log_level):
        try:
            with stopped_by_signals():
                return _run(wish)
        except KeyboardInterrupt:
            LOGGER.info("told to stop: what Triton is loading goes on without this process")
            return DONE
        except DeployError as error:
            LOGGER.error("%s", one_line(str(error)))
            return status_of(error)


def _run(wish: Wish) -> int:
    if wish.status_file is not None:
        _begin(wish.status_file)
    settings = wish.given.settings(Use.DEPLOY | Use.UPDATE)
    progress = LogProgress(logging.getLogger(__package__))
    with bootstrap.deployment_service(
        settings, progress=progress, server_names=wish.server_names
    ) as service:
        loop = ReconcileLoop(
            service.reconciler(parallelism=wish.parallelism),
            status_file=wish.status_file,
            tolerate_failed=wish.tolerate_failed,
            log=RoundLog(as_json=wish.as_json),
        )
        if wish.watch is not None:
            loop.watch(wish.watch)
        return DONE if loop.once(wait=wish.wait) else LEFT


def _begin(status_file: Path) -> None:
    """Replace what the last process left, which says nothing of the server that there is now."""
    try:
        Status(reconciled=False, why="no round has ended yet", round=0, time=time.time()).write(
            status_file
        )
    except OSError as error:
        raise InvalidSettingError(
            f"--status-file {status_file} can't be written ({error.strerror}): name a file in a "
            "directory that exists and that this user may write to."
        ) from error
