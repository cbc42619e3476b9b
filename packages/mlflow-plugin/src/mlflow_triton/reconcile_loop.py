"""Round after round: waits for the server, reconciles it, and keeps the status file true."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlflow_triton.descriptions import one_line
from mlflow_triton.reconcile_log import LOGGER, RoundLog
from mlflow_triton.reconcile_status import Status
from triton_deploy_core.clock import Clock, Deadline, SystemClock
from triton_deploy_core.errors import (
    ControlModeError,
    DeployError,
    ServerError,
)
from triton_deploy_core.reconciling import Reconciler
from triton_deploy_core.repairing import Outcome
from triton_deploy_core.rounds import Loss, Round

_LOOK_SECONDS = 1.0
_REMIND_SECONDS = 30.0


@dataclass
class ReconcileLoop:
    """Reconciles one server.

    Attributes:
        reconciler: of the server.
        status_file: where to tell probes; None: nowhere.
        tolerate_failed: what the server refuses to load keeps it from being called reconciled as
            little as what it serves.
        clock: where time comes from.
        log: is told of each round.
    """

    reconciler: Reconciler
    status_file: Path | None = None
    tolerate_failed: bool = False
    clock: Clock = field(default_factory=SystemClock)
    log: RoundLog = field(default_factory=RoundLog)
    _number: int = 0
    _reconciled: bool = False

    def once(self, *, wait: float) -> bool:
        """Wait for the server, and do one round; tell whether all is as recorded then.

        Raises:
            RepositoryNotFoundError: there is no repository; nobody waits for one.
            DeployError: the server did not come up in so many seconds, or the round could not end.
        """
        self.reconciler.require_repository()
        self._wait_for_server(Deadline.after(wait, self.clock))
        return self._round().is_settled

    def watch(self, seconds: float) -> None:
        """Do rounds until an exception ends that: the next begins so long after the last one.

        A server that went away, or lost what it served, is noticed within a second or so.

        Raises:
            ControlModeError: the server is not in EXPLICIT mode.
        """
        trouble = ""
        while True:
            try:
                self.reconciler.require_control()
                self._round()
                trouble = ""
            except ControlModeError:
                raise  # that does not get better by waiting
            except DeployError as error:
                trouble = self._complain(error, trouble)
            self._pause(seconds)

    def _wait_for_server(self, deadline: Deadline) -> None:
        trouble = ""
        reminder = Deadline.after(0, self.clock)
        while (error := self._absence()) is not None:
            if deadline.passed:
                raise error
            trouble = self._complain(error, trouble)
            if reminder.passed:
                LOGGER.info("waiting for the server, %.0f s more (--wait)", deadline.remaining())
                reminder = Deadline.after(_REMIND_SECONDS, self.clock)
            self.clock.sleep(min(_LOOK_SECONDS, deadline.remaining()))

    def _absence(self) -> ServerError | None:
        """Return why the server can't be worked with yet."""
        try:
            self.reconciler.require_control()
        except ControlModeError:
            raise
        except ServerError as error:
            return error
        return None

    def _round(self) -> Round:
        self._notice_loss()
        found = self.reconciler.round()
        self._number += 1
        self.log.tell(self._number, found)
        failed = {report.name for report in found.reports if report.outcome is Outcome.FAILED}
        missing = found.unserved - failed if self.tolerate_failed else found.unserved
        # What fails later on does not take a server away from all that it serves.
        self._reconciled = self._reconciled or not missing
        self._tell(f"not served: {', '.join(sorted(missing))}" if missing else "")
        return found

    def _notice_loss(self) -> None:
        if self.reconciler.loss() is Loss.ALL:
            LOGGER.warning("the server lost all that it served: it was restarted, most likely")
            self._reconciled = False
            self._tell("the server was restarted, and not everything is loaded yet")

    def _complain(self, error: DeployError, last: str) -> str:
        """Log what keeps a round from ending, unless it was said already; return it."""
        text = one_line(str(error))
        if text != last:
            LOGGER.warning("%s", text)
        if isinstance(error, ServerError):
            self._reconciled = False
        self._tell(text)
        return text

    def _tell(self, why: str) -> None:
        if self.status_file is None:
            return
        status = Status(self._reconciled, why, self._number, self.clock.now())
        try:
            status.write(self.status_file)
        except OSError as error:
            LOGGER.error("%s can't be written: %s", self.status_file, error.strerror)

    def _pause(self, seconds: float) -> None:
        deadline = Deadline.after(seconds, self.clock)
        while not deadline.passed:
            self.clock.sleep(min(_LOOK_SECONDS, deadline.remaining()))
            try:
                if self.reconciler.loss() is not Loss.NONE:
                    return
            except ServerError:
                return
