"""One operation on a name that may have parts: they come before it, and go after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from triton_deploy_core import healing, noted_parts, placement, planning
from triton_deploy_core.answering import Answering
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.ensembles import chain
from triton_deploy_core.ensembles.package import EnsemblePackage, Step
from triton_deploy_core.ensembles.parts import REHEARSAL, Allotted, Parts
from triton_deploy_core.errors import DeployError, LeaseLostError
from triton_deploy_core.files import Files
from triton_deploy_core.journal import Phase
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.operation import Operation
from triton_deploy_core.package import ModelPackage, VersionPackage
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.ports.store import Content
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.surroundings import Surroundings


class CompositeOperation(Operation):
    """An `Operation` on a model, or on an ensemble and all its parts.

    Args:
        files: the files of the name.
        around: what it works with.
        parts: the parts of the name.
    """

    def __init__(self, files: Files, around: Surroundings, parts: Parts) -> None:
        super().__init__(files, around)
        self._parts = parts

    def deploy(
        self,
        package: ModelPackage | EnsemblePackage,
        now: Snapshot,
        *,
        keep_versions: int = 0,
        force: bool = False,
        servers: str = "",
        part_of: DeploymentName | None = None,
        parts: Sequence[DeploymentName] = (),
    ) -> Deployment:
        """Make a package what the name serves: see `Operation.deploy`, which finds `parts` itself.

        New parts are loaded first, each by itself. Then a copy of the ensemble is, where anything
        serves already: Triton *unloads* an ensemble that it finds wrong. Only then is the
        ensemble's own configuration written, which is the commit, as for any model. What no
        version needs any more goes last.
        """
        del parts
        present = self._parts.named_in(now)
        deploy = partial(super().deploy, servers=servers, keep_versions=keep_versions, force=force)
        new: list[Allotted] = []
        if isinstance(package, EnsemblePackage):
            allotted = self._parts.allot(package.steps, present)
            new = [one for one in allotted if one.is_new]
            names = tuple(one.name for one in allotted)
            version: ModelPackage = _version(package, names)
        else:
            version, names = package, self._parts.listed_in(package)
        if not (names or present):
            return deploy(version, now, part_of=part_of)
        if not self._changes(version, now, keep_versions, force, servers):
            for part in names:
                self._bring_up(part, servers, anew=False)
            return deploy(version, now, parts=names)
        rehearsal = self._rehearsal(version, now, {*present, *names}) if names else ()
        noted = [*(one.name for one in rehearsal), *sorted({*present, *names})]

        def put_up() -> Deployment:
            for part in sorted({*names} - {one.name for one in new}):
                self._bring_up(part, servers, anew=force)
            for one in (*new, *rehearsal):
                self._put_up(one, now, servers)
            return deploy(version, now, parts=names)

        return self._with_parts(noted, put_up)

    def delete(self) -> None:
        """Delete the name, then its parts."""
        present = self._parts.named_in(self._files.snapshot())
        if not present:
            super().delete()
            return
        self._parts.note(sorted(present))
        try:
            super().delete()
        except BaseException as error:
            self._tidy_after(error)
            raise
        self._parts.tidy()

    def recover(self) -> Phase | None:
        """Finish or undo what an operation left that died; then see to its parts."""
        has_parts = self._files.waiting_parts()
        phase = super().recover()
        self._files.remove_late()
        return phase or Phase.SETTLE if has_parts and self._parts.tidy() else phase

    def load(self) -> list[str]:
        """Have every server serve what the files say, and none its readiness lost to a part."""
        try:
            now = self._files.snapshot()
            servers = "" if now.record is None else now.record.servers
            self._parts.load(placement.chosen(self._server, servers), now)
            return super().load()
        except DeployError:
            self._heal(sorted(self._parts.named_in(self._files.snapshot())))
            raise

    def _with_parts(self, noted: list[DeploymentName], act: Callable[[], Deployment]) -> Deployment:
        self._parts.note(noted)
        try:
            done = act()
        except BaseException as error:
            self._tidy_after(error)
            raise
        try:
            self._parts.tidy()
        except LeaseLostError:
            raise
        except DeployError as error:
            self._files.verify()
            self._say(f"'{self._name}' serves; the next operation on it tidies up ({error})")
        return done

    def _bring_up(self, part: DeploymentName, servers: str, *, anew: bool) -> None:
        """Have a part that is there already serve, with the files that it has."""
        if anew:
            self._parts.touch(part)
        try:
            self._parts.load_one(placement.chosen(self._server, servers), part)
        except DeployError:
            self._heal([part])
            raise

    def _put_up(self, one: Allotted, now: Snapshot, servers: str) -> None:
        try:
            self._parts.put_up(one, servers=servers)
        except DeployError as error:
            uri = one.step.package.origin.model_uri
            error.amend(f"It was to be the {one.step.role} of '{self._name}', {uri}.")
            if now.exists:
                error.amend(f"'{self._name}' goes on serving what it did.")
            raise

    def _tidy_after(self, error: BaseException) -> None:
        try:
            self._parts.tidy(now_or_later=True)
        except LeaseLostError as lost:
            raise lost from error
        except DeployError as second:
            if isinstance(error, DeployError):
                error.amend(
                    f"Its parts are still there ({second}); the next operation on "
                    f"'{self._name}' removes them."
                )

    def _changes(
        self, version: ModelPackage, now: Snapshot, keep: int, force: bool, servers: str
    ) -> bool:
        if force or now.record is None or now.record.servers != servers:
            return True
        plan = planning.plan(
            version, now, self._files.holdings(now), self._around.configs, keep_versions=keep
        )
        return plan.changes(now)

    def _rehearsal(
        self, version: ModelPackage, now: Snapshot, taken: set[DeploymentName]
    ) -> tuple[Allotted, ...]:
        if not now.exists:
            return ()
        name = self._parts.free_name(REHEARSAL, taken)
        return (Allotted(Step(REHEARSAL, version), name, is_new=True),)

    def _heal(self, parts: Sequence[DeploymentName]) -> None:
        """Take servers out of the readiness trap that a part put them into."""
        answering = Answering(self._server)
        unready = healing.unready(answering)
        for part in parts if unready else ():
            heal = partial(self._heal_part, part=part, versions=self._parts.versions(part))
            answering.tell(heal, unready)

    def _heal_part(
        self, server: InferenceServer, part: DeploymentName, versions: frozenset[int]
    ) -> None:
        if not server.ready_versions(str(part)):
            healing.heal_with_tiny_model(
                *(server, part, versions, self._around.deadline()),
                was_ready=False,
                permit=self._files.confirm,
            )


def _version(package: EnsemblePackage, names: Sequence[DeploymentName]) -> VersionPackage:
    return VersionPackage(
        origin=package.origin,
        files={chain.CHAIN_FILE: Content(noted_parts.encode(names))},
        config=package.config([*map(str, names)]),
    )
