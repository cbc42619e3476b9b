"""One operation on one name, under its lease: carried out, undone when it fails, or recovered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from triton_deploy_core import healing, planning, serving
from triton_deploy_core.clock import Clock, Deadline
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.errors import (
    DeployError,
    InvalidPackageError,
    LoadFailedError,
    LoadTimeoutError,
)
from triton_deploy_core.files import Files
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.records import Record
from triton_deploy_core.snapshot import Snapshot


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

    def deploy(self, package: ModelPackage, now: Snapshot) -> Deployment:
        """Make a package what the name serves; after a failure all is as `now` says."""
        plan = planning.plan(package, now, self._around.configs)
        if not plan.serves:
            raise InvalidPackageError(
                f"{package.origin.model_uri} has no version that its version_policy would serve. "
                "Add a version directory (1/), or correct the policy in config.pbtxt."
            )
        record = Record.of(self._name, self._around.location, package.origin)
        finish = Journal(Phase.SETTLE, settled=plan.settled, garbage=plan.garbage)
        attempt = _Attempt(now, self._files.save(now, plan), was_ready=self._server.is_ready())
        try:
            self._say(f"uploading {len(plan.files)} files to {self._around.location}")
            self._files.write(plan, had_config=now.config is not None)
            self._say(f"loading '{self._name}' on {self._server.url}")
            attempt.failed = plan.serves
            serving.load(self._server, self._name, plan.serves, self._around.deadline())
            self._files.record(record)
            self._files.note(finish)
        except BaseException as error:
            self._undo(error, attempt)
            raise
        try:
            self._settle(finish)
        except DeployError as error:
            # The deployment is done and journaled: what is left to tidy up does not undo that.
            self._say(f"'{self._name}' serves; the next operation on it tidies up ({error})")
        return Deployment.ready(record, plan.serves)

    def delete(self) -> None:
        """Unload the name, wait until the server has let go, and remove its files."""
        self._files.note(Journal(Phase.DELETE))
        self._delete()

    def recover(self) -> None:
        """Finish or undo what an operation left that died."""
        journal = self._files.journal()
        if journal is None:
            return
        self._say(f"repairing '{self._name}' after an operation that was interrupted")
        match journal.phase:
            case Phase.DELETE:
                self._delete()
            case Phase.SETTLE:
                self._settle(journal)
            case Phase.UNDO:
                # What was there before may not have loaded either; what follows will tell.
                with suppress(LoadFailedError):
                    self._put_back(journal, tell_server=True)
                self._files.forget()

    def _settle(self, journal: Journal) -> None:
        if journal.garbage:
            serving.wait_until_quiet(self._server, self._name, self._around.deadline())
        self._files.settle(journal)
        if journal.settled is not None:
            self._server.load(str(self._name), timeout=self._around.timeout)
        self._files.forget()

    def _delete(self) -> None:
        self._say(f"unloading '{self._name}' from {self._server.url}")
        serving.unload(self._server, self._name, self._around.deadline())
        self._files.remove_all()
        self._files.forget()

    def _undo(self, error: BaseException, attempt: _Attempt) -> None:
        """Put files and server back, and tell in the error's message how that went."""
        remark = ""
        try:
            # A load that still goes on can't be taken back: the server would make us wait.
            tell_server = bool(attempt.failed) and not isinstance(error, LoadTimeoutError)
            self._put_back(attempt.journal, tell_server=tell_server)
            if tell_server:
                remark = self._restore_readiness(attempt)
            self._files.forget()
        except DeployError as second:
            remark = f"Undoing it failed too ({second}); the next operation on it does that."
        if isinstance(error, DeployError) and remark:
            error.amend(remark)

    def _put_back(self, journal: Journal, *, tell_server: bool) -> None:
        """Put the files back, and have the server serve just these again."""
        if journal.before:
            self._files.undo(journal)
            if tell_server:
                self._server.load(str(self._name), timeout=self._around.timeout)
                serving.wait_until_quiet(self._server, self._name, self._around.deadline())
            return
        try:
            # Before its directory goes: the index does not show what goes on without one.
            if tell_server:
                serving.unload(self._server, self._name, self._around.deadline())
        finally:
            self._files.undo(journal)

    def _restore_readiness(self, attempt: _Attempt) -> str:
        """Heal the server where a failed version has hurt it; return what to say of the outcome."""
        outcome = (
            "The model that was deployed before still serves."
            if attempt.now.exists
            else "Nothing was left in the repository."
        )
        if not attempt.was_ready or self._server.is_ready() or self._heal(attempt):
            return outcome
        return (
            f"{outcome} But {self._server.url} reports itself not ready since then "
            f"(/v2/health/ready), until a model '{self._name}' loads as version "
            f"{', '.join(map(str, sorted(attempt.failed)))} or Triton restarts; "
            "it goes on serving its other models."
        )

    def _heal(self, attempt: _Attempt) -> bool:
        if not attempt.now.exists:
            return healing.heal_with_tiny_model(
                self._server, self._name, attempt.failed, self._around.deadline()
            )
        return healing.heal_with_old_version(
            self._server,
            self._files,
            self._around.configs,
            now=attempt.now,
            failed=attempt.failed,
            journal=attempt.journal,
            deadline=self._around.deadline(),
        )

    def _say(self, text: str) -> None:
        self._around.progress.step(text)


@dataclass(slots=True)
class _Attempt:
    """What undoing needs to know. `failed`: the versions that the server was told to load."""

    now: Snapshot
    journal: Journal
    was_ready: bool
    failed: frozenset[int] = frozenset()
