"""One operation on one name, under its lease: carried out, undone when it fails, or recovered."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from triton_deploy_core import differences, healing, planning, serving
from triton_deploy_core.clock import Clock, Deadline
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.errors import (
    DeployError,
    InvalidPackageError,
    LoadFailedError,
    LoadTimeoutError,
)
from triton_deploy_core.files import Files
from triton_deploy_core.following import load_to_its_end
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.package import CONFIG_FILE, ModelPackage
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.records import Record
from triton_deploy_core.snapshot import Snapshot

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every operation works with. `timeout` is in seconds, for one load or unload."""

    server: InferenceServer
    configs: ConfigFormat
    progress: Progress
    clock: Clock
    timeout: float
    location: str

    def deadline(self) -> Deadline:
        """Return the deadline of a load or unload that begins now."""
        return Deadline.after(self.timeout, self.clock)


class Operation:
    """Deploys or deletes the files of one name, together with what the server does with them."""

    def __init__(self, files: Files, around: Surroundings) -> None:
        self._files = files
        self._around = around
        self._server = around.server
        self._name = files.name

    def deploy(
        self, package: ModelPackage, now: Snapshot, *, keep_versions: int = 0, force: bool = False
    ) -> Deployment:
        """Make a package what the name serves; after a failure all is as `now` says.

        Args:
            package: the model.
            now: what there is.
            keep_versions: how many previous versions stay.
            force: have the server load the model again, also where nothing has changed.
        """
        holdings = self._files.holdings(now)
        plan = planning.plan(
            package, now, holdings, self._around.configs, keep_versions=keep_versions
        )
        if not plan.serves:
            raise InvalidPackageError(
                f"{package.origin.model_uri} has no version that its version_policy would serve. "
                "Add a version directory (1/), or correct the policy in config.pbtxt."
            )
        record = Record.of(self._name, self._around.location, package.origin)
        if not (force or plan.changes(now)) and self._serves_just(plan.serves):
            self._say(f"'{self._name}' serves just that already: nothing is transferred or loaded")
            self._files.record(record.encode())
            return Deployment.ready(record, plan.serves)
        finish = Journal(
            Phase.SETTLE,
            settled=plan.commit.settled,
            settles=plan.commit.settles,
            garbage=plan.garbage,
            record=record.encode(),
        )
        journal = self._files.draft(now, plan, was_ready=self._server.is_ready())
        holdings.watch(plan.contents.values())
        loading = False
        try:
            self._files.keep(journal, now)
            if plan.files:
                files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
                self._say(f"uploading {files} to {self._around.location}")
            self._files.write(plan)
            placed = self._files.present() if plan.files else now.files
            if force:
                self._files.touch()
            self._say(f"loading '{self._name}' on {self._server.url}")
            loading = True
            serving.load(self._server, self._name, plan.serves, self._around.deadline())
            self._files.note(finish)
        except BaseException as error:
            self._undo(error, journal, loading=loading)
            raise
        try:
            self._settle(finish)
            digests = holdings.after(plan.contents, placed, plan.serves)
            if digests != holdings.digests:
                self._files.remember(digests)
        except DeployError as error:
            # The deployment is done and journaled: what is left to tidy up does not undo that.
            self._say(f"'{self._name}' serves; the next operation on it tidies up ({error})")
        return Deployment.ready(record, plan.serves)

    def _serves_just(self, versions: frozenset[int]) -> bool:
        return self._server.ready_versions(str(self._name)) == versions

    def delete(self) -> None:
        """Unload the name, wait until the server has let go, and remove its files."""
        self._files.note(Journal(Phase.DELETE))
        self._delete()

    def recover(self) -> Phase | None:
        """Finish or undo what an operation left that died; return what that was."""
        journal = self._files.journal()
        if journal is None:
            return None
        self._say(f"repairing '{self._name}' after an operation that was interrupted")
        match journal.phase:
            case Phase.DELETE:
                self._delete()
            case Phase.SETTLE:
                # Whether it still loads is not what the next operation is about.
                with suppress(LoadFailedError):
                    self._settle(journal)
                self._files.forget()
            case Phase.UNDO:
                self._take_back(journal)
                self._files.forget()
        return journal.phase

    def tidy(self) -> bool:
        """Remove what no operation needs any more; tell whether there was anything."""
        return self._files.sweep()

    def load(self) -> frozenset[int]:
        """Have the server serve what the files say; return which versions these are.

        Raises:
            InvalidPackageError: the files are not such that Triton would serve any.
            LoadFailedError: Triton refused it.
            LoadTimeoutError: Triton was still loading it at the deadline.
        """
        now = self._files.snapshot()
        picked = differences.picked_versions(now.config, now.files, self._around.configs)
        if not picked:
            raise InvalidPackageError(
                f"'{self._name}' has no version that its {CONFIG_FILE} picks. Update it, or "
                "delete it."
            )
        was_ready = self._server.is_ready()
        self._say(f"loading '{self._name}' on {self._server.url}")
        try:
            serving.load(self._server, self._name, picked, self._around.deadline())
        except LoadFailedError as error:
            if was_ready and not self._heal_nothing_serving(picked):
                error.amend(self._unready(picked))
            raise
        serving.wait_until_quiet(self._server, self._name, self._around.deadline())
        return picked

    def _heal_nothing_serving(self, failed: frozenset[int]) -> bool:
        """Take the server out of the readiness trap, where that disturbs nothing that serves."""
        if self._server.is_ready():
            return True
        if self._server.ready_versions(str(self._name)):
            return False
        return healing.heal_with_tiny_model(
            self._server, self._name, failed, self._around.deadline(), was_ready=True
        )

    def _settle(self, journal: Journal) -> None:
        # Old versions are let go before their files are, and before anybody is told of success:
        # the server is not ready until then.
        if not journal.settles:
            self._files.record(journal.record)
        try:
            serving.wait_until_quiet(self._server, self._name, self._around.deadline())
            self._files.settle(journal)
            if journal.settles:
                self._load_again()
        finally:
            # Only now: a newer record would make that load bring all versions up once more.
            self._files.record(journal.record)
        self._files.forget()

    def _delete(self) -> None:
        self._say(f"unloading '{self._name}' from {self._server.url}")
        serving.unload(self._server, self._name, self._around.deadline())
        self._files.remove_all()
        self._files.forget()

    def _undo(self, error: BaseException, journal: Journal, *, loading: bool) -> None:
        """Put files and server back, and tell in the error's message how that went."""
        is_interrupted = not isinstance(error, Exception)
        if is_interrupted:
            # Whoever presses Ctrl-C has to see that it was heard: this may take a while.
            _logger.warning(
                "Interrupted: putting '%s' back as it was. Interrupt again to leave that to the "
                "next operation on it.",
                self._name,
            )
        remark = ""
        try:
            # Also makes sure that the name is still ours, before the server is told anything.
            self._files.note(journal)
            # Somebody who interrupts a load does not want to wait for its end either.
            if (loading and is_interrupted) or isinstance(error, LoadTimeoutError):
                # That load can't be taken back now, the server would make us wait. It may end
                # well, so the journal stays: the next operation unloads what nobody asked for.
                self._files.undo(journal)
                remark = (
                    "All files are as they were before. If the server completes that load yet, "
                    f"the next operation on '{self._name}' takes it back."
                )
            else:
                if loading:
                    remark = self._take_back(journal)
                else:
                    self._files.undo(journal)
                self._files.forget()
        except DeployError as second:
            remark = f"Undoing it failed too ({second}); the next operation on it does that."
        except KeyboardInterrupt:
            remark = f"It was not put back: the next operation on '{self._name}' does that."
            if is_interrupted:
                _logger.warning("Interrupted again. %s", remark)
                raise
        if is_interrupted and remark:
            _logger.warning("%s", remark)
        if isinstance(error, DeployError) and remark:
            error.amend(remark)

    def _take_back(self, journal: Journal) -> str:
        """Put files and server back as they were before; return what to say of the outcome."""
        outcome = self._put_back(journal) if journal.before else self._remove(journal)
        # Also where it was not ready before: that may have been for a moment only.
        is_ready = self._server.is_ready() or self._heal(journal)
        if is_ready or not journal.was_ready:
            return outcome
        return f"{outcome} {self._unready(journal.coming)}"

    def _unready(self, failed: frozenset[int]) -> str:
        return (
            f"But {self._server.url} reports itself not ready since then "
            f"(/v2/health/ready), until a model '{self._name}' loads as version "
            f"{', '.join(map(str, sorted(failed)))} or Triton restarts; "
            "it goes on serving its other models."
        )

    def _load_again(self) -> None:
        load_to_its_end(self._server, self._name, frozenset(), self._around.deadline())

    def _put_back(self, journal: Journal) -> str:
        self._files.undo(journal)
        try:
            self._load_again()
        except LoadFailedError as error:
            # It had failed before, most likely: an update is how one gets out of that.
            return f"What was deployed before is back but does not load: {error.reason.strip()}."
        serving.wait_until_quiet(self._server, self._name, self._around.deadline())
        return "The model that was deployed before still serves."

    def _remove(self, journal: Journal) -> str:
        try:
            # Before its directory goes: the index does not show what goes on without one.
            serving.unload(self._server, self._name, self._around.deadline())
        finally:
            self._files.undo(journal)
        return "Nothing was left in the repository."

    def _heal(self, journal: Journal) -> bool:
        deadline = self._around.deadline()
        if not journal.before:
            return healing.heal_with_tiny_model(
                self._server,
                self._name,
                journal.coming,
                deadline,
                was_ready=journal.was_ready,
            )
        return healing.heal_with_old_version(
            self._server,
            self._files,
            self._around.configs,
            now=self._files.snapshot(),
            failed=journal.coming,
            journal=journal,
            deadline=deadline,
        )

    def _say(self, text: str) -> None:
        self._around.progress.step(text)
