"""One operation on one name, under its lease: carried out, undone when it fails, or recovered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from triton_deploy_core import layout, placement, planning, serving
from triton_deploy_core.answering import Answering
from triton_deploy_core.catching_up import CatchingUp
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.differences import left_behind
from triton_deploy_core.digests import Digests
from triton_deploy_core.errors import (
    DeployError,
    InvalidPackageError,
    LeaseLostError,
    LoadFailedError,
    ServerError,
)
from triton_deploy_core.failures import listed, merged
from triton_deploy_core.files import Files
from triton_deploy_core.holdings import Holdings
from triton_deploy_core.journal import Journal, Phase
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage, TreePackage
from triton_deploy_core.plan import Plan
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.records import Record
from triton_deploy_core.remembered import Remembered
from triton_deploy_core.rolling_back import earlier_package
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.surroundings import Surroundings
from triton_deploy_core.taking_back import TakingBack

_logger = logging.getLogger(__name__)
_INTERRUPTED = "an operation was interrupted, and who took it up did not know this server"


class Operation:
    """Deploys or deletes the files of one name, together with what the server does with them."""

    def __init__(self, files: Files, around: Surroundings) -> None:
        self._files = files
        self._around = around
        self._server = around.server
        self._name = files.name

    def deploy(
        self,
        package: ModelPackage,
        now: Snapshot,
        *,
        keep_versions: int = 0,
        force: bool = False,
        servers: str = "",
        part_of: DeploymentName | None = None,
        parts: Sequence[DeploymentName] = (),
    ) -> Deployment:
        """Make a package what the name serves; after a failure all is as `now` says.

        Args:
            package: the model.
            now: what there is.
            keep_versions: how many previous versions stay.
            force: have the server load the model again, also where nothing has changed.
            servers: the servers that are to serve it, see `placement`.
            part_of: the ensemble whose part it is.
            parts: of an ensemble, its parts.
        """
        self._require_loadable(now)
        now = replace(now, fence=self._files.fence())
        holdings = self._files.holdings(now)
        plan = planning.plan(
            package, now, holdings, self._around.configs, keep_versions=keep_versions
        )
        if not plan.serves:
            raise InvalidPackageError(
                f"{package.origin.model_uri} has no version that its version_policy would serve. "
                "Add a version directory (1/), or correct the policy in config.pbtxt."
            )
        record = replace(
            Record.of(self._name, self._around.location, package.origin, servers),
            part_of="" if part_of is None else str(part_of),
            parts=tuple(map(str, parts)),
        )
        server = chosen = placement.chosen(self._server, servers)
        if not (force or plan.changes(now)) and self._serves_just(server, plan.serves):
            self._say(f"'{self._name}' serves just that already: nothing is transferred or loaded")
            self.leave(servers)
            self._files.record(record.encode())
            self._remember(
                holdings,
                holdings.remembering(
                    plan.serves, self._remembered(package, plan), present=now.versions
                ),
            )
            return Deployment.ready(record, plan.serves)
        finish = Journal(
            Phase.SETTLE,
            settled=plan.commit.settled,
            settles=plan.settles,
            named=plan.named.settled,
            garbage=plan.garbage,
            record=record.encode(),
            servers=servers,
        )
        journal = self._files.draft(
            now, plan, was_ready=server.is_ready(), servers=servers, fleet=self._fleet()
        )
        holdings.watch(plan.contents.values())
        loading = False
        try:
            self._files.keep(journal, now, early=plan.named.early)
            if isinstance(package, TreePackage):
                self._files.lift_fence(layout.versions(plan.contents))
            if plan.files:
                files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
                self._say(f"uploading {files} to {self._around.location}")
            self._files.write(plan)
            if part_of is not None:
                # Nothing of it serves yet. Written later, it would make the load of the ensemble
                # bring the part up once more.
                self._files.record(record.encode())
            placed = self._files.present() if plan.files else now.files
            if force:
                self._files.touch()
            self._say(f"loading '{self._name}' on {server.url}")
            loading = True
            server = serving.load(
                *(server, self._name, plan.serves, self._around.deadline()),
                permit=self._files.confirm,
            )
            self._note_behind(server, coming=plan.serves)
            self._files.note(finish)
        except BaseException as error:
            self._undo(error, journal, told=chosen if loading else None)
            raise
        try:
            self._settle(finish)
            remembered = self._remembered(package, plan)
            self._remember(holdings, holdings.after(plan.contents, placed, plan.serves, remembered))
        except LeaseLostError:
            raise
        except DeployError as error:
            # The deployment is done and journaled: what is left to tidy up does not undo that.
            self._files.verify()
            self._say(f"'{self._name}' serves; the next operation on it tidies up ({error})")
        done = Deployment.ready(record, plan.serves)
        return done.with_differences(left_behind(server.left_behind()))

    def roll_back(self, now: Snapshot, *, version: int | None = None) -> Deployment:
        """Make a version that served before the one that serves; nothing is removed.

        Args:
            now: what there is, a record of ours included.
            version: which one; the one that served last if left out.

        Raises:
            NoPreviousVersionError: there is none, or not all of it is there.
        """
        self._require_loadable(now)
        holdings = self._files.holdings(now)
        number, package = earlier_package(now, holdings, self._around.configs, version=version)
        self._say(f"going back to version {number} of '{self._name}', {package.origin.model_uri}")
        servers = "" if now.record is None else now.record.servers
        return self.deploy(package, now, keep_versions=len(now.versions), servers=servers)

    def _require_loadable(self, now: Snapshot) -> None:
        layout.require_loadable(now.files, f"'{self._name}' in {self._around.location}")

    def _remembered(self, package: ModelPackage, plan: Plan) -> Remembered | None:
        if isinstance(package, TreePackage) or len(plan.serves) != 1:
            return None
        return Remembered.of(package, self._files.content)

    def _remember(self, holdings: Holdings, digests: Digests) -> None:
        if digests != holdings.digests:
            self._files.remember(digests)

    def _serves_just(self, server: InferenceServer, versions: frozenset[int]) -> bool:
        told = server.ask_each(lambda one: one.ready_versions(str(self._name)))
        if any(said != versions for said in told.values()):
            return False
        return not (server.left_behind() or self._files.behind().among(told))

    def delete(self) -> None:
        """Unload the name, wait until the server has let go, and remove its files.

        A server that can't let go fails it, and where others have, they serve the model again.
        """
        journal = Journal(Phase.DELETE, fleet=self._fleet())
        self._files.note(journal)
        try:
            self._delete(journal)
        except ServerError as error:
            self._undo_delete(error)
            raise

    def recover(self) -> Phase | None:
        """Finish or undo what an operation left that died; return what that was."""
        journal = self._files.journal()
        if journal is None:
            return None
        self._say(f"repairing '{self._name}' after an operation that was interrupted")
        self._files.fence_off(journal)
        match journal.phase:
            case Phase.DELETE:
                self._delete(journal)
            case Phase.SETTLE:
                # Whether it still loads is not what the next operation is about.
                with suppress(LoadFailedError):
                    self._settle(journal)
                self._files.forget()
            case Phase.UNDO:
                answering = Answering(self._server)
                TakingBack(self._files, self._around, journal, answering).run()
                if answering.lost:
                    raise merged(answering.lost, servers=len(self._server.servers()))
                self._note_behind(self._server, coming=journal.coming, fleet=journal.fleet)
                self._files.forget()
        return journal.phase

    def tidy(self) -> bool:
        """Remove what no operation needs any more; tell whether there was anything."""
        return self._files.sweep()

    def load(self) -> list[str]:
        """Have every server serve what the files say: see `CatchingUp.load`."""
        return CatchingUp(self._files, self._around).load()

    def let_go_of_deleted(self) -> list[str]:
        """Unload the name, which was deleted, where that was missed; see `CatchingUp`."""
        return CatchingUp(self._files, self._around).let_go_of_deleted()

    def heal(self, failed: frozenset[int]) -> None:
        """Take servers out of the trap that these versions put them into; see `CatchingUp.heal`."""
        CatchingUp(self._files, self._around).heal(failed)

    def yield_to_others(self) -> str:
        """Have the servers serve what the repository says now that others own it.

        For an operation that lost its lease: its own load or unload may have come too late.

        Returns:
            What is deployed and served now, as a sentence.
        """
        now = self._files.snapshot()
        remark = ""
        if self._files.has_told_servers:
            try:
                CatchingUp(self._files, self._around).follow(now)
            except DeployError as error:
                remark = f" A server does not serve that: {error}"
        if now.record is None:
            return f"Nothing is deployed under that name now.{remark}"
        model, flavor = now.record.mlflow_model_uri, now.record.flavor
        told = self._server.ask_each(lambda one: one.ready_versions(str(self._name)))
        served = {
            number for one in told.values() if not isinstance(one, ServerError) for number in one
        }
        what = (
            f"version {', '.join(map(str, sorted(served)))} is served"
            if served
            else "none is served"
        )
        return f"Deployed now is {model} ({flavor}), of which {what}.{remark}"

    def _settle(self, journal: Journal) -> None:
        # Old versions are let go before their files are, and before anybody is told of success:
        # the server is not ready until then.
        if not journal.settles:
            self._files.record(journal.record)
        # They may be no more: whoever finishes this does so later, perhaps.
        server = placement.inside(self._server, journal.servers)
        try:
            if server is not None:
                server = serving.wait_until_quiet(server, self._name, self._around.deadline())
            self._files.settle(journal)
            if server is not None and journal.settles:
                serving.load_again(
                    server, self._name, self._around.deadline(), permit=self._files.confirm
                )
            self.leave(journal.servers)
        finally:
            # Only now: a newer record would make that load bring all versions up once more.
            self._files.record(journal.record)
        self._files.forget()

    def leave(self, servers: str) -> None:
        """Unload the name from servers that it is not for any more."""
        others = placement.outside(self._server, servers)
        if others is not None:
            self._unload_where_served(others)

    def unload(self) -> None:
        """Unload the name, and wait until that is over; its files stay."""
        serving.unload(
            self._server, self._name, self._around.deadline(), permit=self._files.confirm
        )

    def let_go(self) -> None:
        """Unload the name wherever it is served; its files stay."""
        self._unload_where_served(self._server)

    def _unload_where_served(self, server: InferenceServer) -> None:
        serving.unload_where_served(
            server, self._name, self._around.deadline(), permit=self._files.confirm
        )

    def _fleet(self) -> frozenset[str]:
        urls = frozenset(one.url for one in self._server.servers())
        return urls if len(urls) > 1 else frozenset()

    def _note_behind(
        self,
        server: InferenceServer,
        *,
        coming: frozenset[int],
        fleet: frozenset[str] = frozenset(),
    ) -> None:
        """Write down without whom an operation went on; those that it reached are none of them.

        Args:
            server: the servers that it reached.
            coming: the versions that the others may have been told to load.
            fleet: all that it was about, when somebody else began it, who knew others.
        """
        reached = {one.url for one in server.servers()}
        unknown = fleet - reached
        left = dict.fromkeys(sorted(unknown), _INTERRUPTED) | dict(server.left_behind())
        before = self._files.behind()
        behind = before.after(
            reached=reached,
            left=left,
            coming=coming,
            known={one.url for one in self._server.servers()},
            now=self._around.clock.now(),
        )
        if left:
            _logger.warning(
                "Went on with '%s' without %s. When they are back, repair brings them up to date.",
                self._name,
                listed(left),
            )
        if behind != before:
            self._files.note_behind(behind)

    def _delete(self, journal: Journal) -> None:
        self._say(f"unloading '{self._name}' from {self._server.url}")
        server = serving.unload(
            self._server, self._name, self._around.deadline(), permit=self._files.confirm
        )
        self._note_behind(server, coming=frozenset(), fleet=journal.fleet)
        self._files.remove_all()
        self._files.forget()

    def _undo(
        self, error: BaseException, journal: Journal, *, told: InferenceServer | None
    ) -> None:
        """Put files and server back, and tell in the error's message how that went.

        Args:
            error: what failed.
            journal: how to put back the files.
            told: the servers that may have been told to load; None where none was.
        """
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
            remark = self._undo_on(
                self._can_be_told(error, told), journal, loading=told is not None
            )
        except LeaseLostError as lost:
            # The operation that holds the name now has undone this one, or does so.
            raise lost from error
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

    def _undo_delete(self, error: ServerError) -> None:
        """Have servers serve again that let go of the name while others could not.

        Where none did, the next operation goes on with the delete.
        """
        done = self._server.part({one.url for one in self._server.servers()} - set(error.failures))
        if done is None or not error.failures:
            return
        answering = Answering(done)
        answering.lost.update(error.failures)
        answering.untouched = error.untouched
        try:
            journal = self._files.standing(self._files.snapshot())
            self._files.note(journal)
            error.amend(self._undo_on(answering, journal, loading=True))
        except LeaseLostError as lost:
            raise lost from error
        except DeployError as second:
            error.amend(f"Undoing it failed too ({second}); the next operation on it does that.")

    def _can_be_told(self, error: BaseException, told: InferenceServer | None) -> Answering | None:
        # Somebody who interrupts a load does not want to wait for its end either.
        is_interrupted = not isinstance(error, Exception)
        if told is not None and is_interrupted:
            return None
        return Answering.after(error, self._server, told=told or self._server)

    def _undo_on(self, answering: Answering | None, journal: Journal, *, loading: bool) -> str:
        if answering is None:
            # That load can't be taken back now, the server would make us wait. It may end
            # well, so the journal stays: the next operation unloads what nobody asked for.
            self._files.undo(journal)
            return (
                "All files are as they were before. If the server completes that load yet, "
                f"the next operation on '{self._name}' takes it back."
            )
        if not loading:
            self._files.undo(journal)
            self._files.forget()
            return ""
        remark = TakingBack(self._files, self._around, journal, answering).run()
        if answering.lost:
            return (
                f"{remark} {listed(answering.lost)} could not be told to take it back: the next "
                f"operation on '{self._name}' does that."
            )
        self._files.forget()
        return remark

    def _say(self, text: str) -> None:
        self._around.progress.step(text)
