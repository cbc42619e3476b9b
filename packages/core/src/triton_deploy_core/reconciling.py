"""Brings one server, round after round, to what the records of its repository say.

For a server that came up empty beside others that read the same repository. Loading a name takes
no lease: nothing is written, whatever is in the repository at any moment may be loaded (that is
the commit protocol's law), a hundred servers may do so at once, and nobody's update is refused on
that account. A name that somebody is at work on is left alone. What has to be written, or must not
happen beside an operation, is done under the lease: taking back or finishing what was interrupted,
unloading what was deleted, and healing the server's readiness.

A load of a name that is served already is not free: where the record is newer than the last load,
as after each update, Triton brings all versions up anew (seen on Triton 2.51). So a server that
serves the versions that the files say is believed, but for versions whose files have changed since
this process last saw them served: these were replaced in place, and no number tells which files
the server has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from triton_deploy_core import in_background, serving
from triton_deploy_core.differences import picked_versions
from triton_deploy_core.ensembles.parts_first import load_parts
from triton_deploy_core.errors import (
    DamagedRecordError,
    DeployError,
    DeploymentBusyError,
    InvalidPackageError,
    ServerError,
    ServerUnreachableError,
    StoreAccessError,
)
from triton_deploy_core.lease import require_free
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.patience import Patience
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.readiness import Readiness
from triton_deploy_core.records import Record
from triton_deploy_core.repairing import OpenOperation, Outcome, Repair, Repairing
from triton_deploy_core.rounds import Loss, Round
from triton_deploy_core.snapshot import Snapshot, read_record
from triton_deploy_core.surroundings import Surroundings
from triton_deploy_core.survey import Sight, survey

DEFAULT_PARALLELISM = 4
"""Triton reads requests over HTTP with 8 threads, and a load keeps one of them."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What this process last knew the server to serve, or found to be none of its business.

    `is_suspect`: somebody was at work on the name since then, and may have taken it back.
    `part_of`: the ensemble with which it comes and goes.
    """

    tag: str
    record: str
    versions: frozenset[int]
    is_for_here: bool = True
    is_suspect: bool = False
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """A name to look at more closely."""

    name: DeploymentName
    sight: Sight
    ready: frozenset[int]


class _Under(Enum):
    """What is left to do under the lease on a name."""

    REPAIR = "repair"
    UNLOAD = "unload"


class Reconciler:
    """Remembers from round to round what it loaded. To be used by one thread.

    Args:
        store: the repository.
        around: what else there is.
        operation: takes the lease on a name, and carries out what its journal says.
        parallelism: so many loads at once at most.
    """

    def __init__(
        self,
        store: BlobStore,
        around: Surroundings,
        operation: OpenOperation,
        *,
        parallelism: int = DEFAULT_PARALLELISM,
    ) -> None:
        self._store = store
        self._around = around
        self._server = around.server
        self._operation = operation
        self._repairing = Repairing(store, around, operation)
        self._parallelism = parallelism
        self._loaded: dict[DeploymentName, _Loaded] = {}
        self._failures: Patience[Repair] = Patience(around.clock)
        self._readiness = Readiness(around, operation)

    def require_repository(self) -> None:
        """See that there is a repository, by one small request.

        Raises:
            RepositoryNotFoundError: there is none.
        """
        next(iter(self._store.directories()), None)

    def require_control(self) -> None:
        """See that the server answers and takes requests to load.

        Raises:
            ServerError: it does not answer, or not like Triton.
            ControlModeError: it is not in EXPLICIT mode.
        """
        serving.require_control(self._server, self._around.deadline())

    def loss(self) -> Loss:
        """Tell what the server lost since the last round, by a request or two that cost little.

        Raises:
            ServerError: it does not answer.
        """
        served = [name for name, last in self._loaded.items() if last.versions]
        if not served:
            self._server.is_live()
            return Loss.NONE
        if self._server.ready_versions(str(served[-1])):
            return Loss.NONE
        ready = self._ready()
        return Loss.SOME if any(str(name) in ready for name in served) else Loss.ALL

    def round(self) -> Round:
        """Look at every name once, and do what there is to do.

        What is wrong with one name is reported with that one, and keeps no other from its turn.

        Raises:
            StoreError: the repository can't be listed.
            ServerError: the server does not answer, or takes no requests to load.
        """
        began = self._around.clock.monotonic()
        if self.loss() is Loss.ALL:
            # What failed on the server before may not fail on this one.
            self._loaded.clear()
            self._failures.try_now()
        ready = self._ready()
        sights = survey(self._store)
        reports: dict[DeploymentName, Repair] = {}
        work = []
        for name, sight in sights.items():
            report = self._report_known(name, sight, ready.get(str(name), frozenset()))
            if report is not None:
                reports[name] = report
            elif self._is_ours(name, sight):
                work.append(_Work(name, sight, ready.get(str(name), frozenset())))
        reports |= self._act(work)
        reports |= self._act_on_deleted(sights, ready)
        is_ready, healed = self._heal(sights, reports.values())
        return Round(
            tuple(reports[name] for name in sorted(reports)),
            self._unserved(sights, reports.values()),
            is_ready,
            healed,
            self._around.clock.monotonic() - began,
        )

    def _ready(self) -> dict[str, frozenset[int]]:
        ready: dict[str, frozenset[int]] = {}
        for model, version in self._server.loaded():
            ready[model] = ready.get(model, frozenset()) | {version}
        return ready

    def _is_ours(self, name: DeploymentName, sight: Sight) -> bool:
        known = self._loaded.get(name)
        if known is not None and known == _Loaded(
            sight.tag, sight.record, frozenset(), is_for_here=False, part_of=known.part_of
        ):
            return False
        return sight.has_record or sight.is_unfinished

    def _report_known(
        self, name: DeploymentName, sight: Sight, ready: frozenset[int]
    ) -> Repair | None:
        """Return what can be said of a name without any request; None: look at it."""
        if sight.is_unfinished:
            self._suspect(name)
            return None
        known = self._loaded.get(name)
        if ready and known == _Loaded(sight.tag, sight.record, ready):
            return Repair(str(name), Outcome.FINE)
        return self._failures.waits(name, (sight.tag, ready))

    def _suspect(self, name: DeploymentName) -> None:
        """Have a name loaded once more, unless other versions serve when nobody is at work on it.

        Whoever was may have had the server load what is not in the repository any more.
        """
        if name in self._loaded:
            self._loaded[name] = replace(self._loaded[name], is_suspect=True)

    def _act(self, work: Iterable[_Work]) -> dict[DeploymentName, Repair]:
        reports: dict[DeploymentName, Repair] = {}
        under_lease: list[tuple[DeploymentName, _Under]] = []
        outcomes = in_background.results(self._bring, work, threads=self._parallelism)
        for done, outcome in outcomes:
            if isinstance(outcome, _Under):
                under_lease.append((done.name, outcome))
            elif outcome is not None:
                reports[done.name] = outcome
                self._remember_failure(done, outcome)
        for name, what in sorted(under_lease, key=lambda row: row[0]):
            report = self._repair(name) if what is _Under.REPAIR else self._let_go(name)
            if report is not None:
                reports[name] = report
        return reports

    def _remember_failure(self, work: _Work, report: Repair) -> None:
        if report.outcome is Outcome.FAILED:
            again = replace(report, done=())
            self._failures.failed(work.name, (work.sight.tag, work.ready), again)
        else:
            self._failures.forget(work.name)

    def _bring(self, work: _Work) -> tuple[_Work, Repair | _Under | None]:
        name = str(work.name)
        try:
            return work, self._look_and_load(work)
        except DeploymentBusyError as error:
            return work, Repair(name, Outcome.BUSY, error=error)
        except StoreAccessError:
            # A link out of the repository, or a directory that may not be read: somebody else's.
            return work, None
        except ServerUnreachableError:
            raise
        except DeployError as error:
            return work, self._failed(work.name, error)

    def _failed(self, name: DeploymentName, error: DeployError) -> Repair:
        try:
            require_free(self._store, name)
        except DeploymentBusyError as busy:
            # What failed was about to be replaced.
            return Repair(str(name), Outcome.BUSY, error=busy)
        except DeployError:
            pass
        return Repair(str(name), Outcome.FAILED, error=error)

    def _look_and_load(self, work: _Work) -> Repair | _Under | None:
        require_free(self._store, work.name)
        if work.sight.is_unfinished:
            return None if self._is_elsewhere(work.name) else _Under.REPAIR
        now = Snapshot.take(self._store, work.name)
        if now.record is None:
            return None
        if now.record.part_of:
            self._loaded[work.name] = _Loaded(
                work.sight.tag,
                work.sight.record,
                frozenset(),
                is_for_here=False,
                part_of=now.record.part_of,
            )
            return None
        if not self._is_for_here(now.record):
            return self._not_for_here(work, now.record)
        picked = picked_versions(now.config, now.files, self._around.configs)
        if not picked:
            raise InvalidPackageError(
                f"'{work.name}' has no version that its {CONFIG_FILE} picks. Update it, or "
                "delete it."
            )
        if self._has_to_load(work, picked):
            around = self._around
            load_parts(self._server, self._store, around.configs, now, around.deadline())
            return self._load(work, picked)
        self._remember(work, picked)
        return Repair(str(work.name), Outcome.FINE)

    def _has_to_load(self, work: _Work, picked: frozenset[int]) -> bool:
        known = self._loaded.get(work.name)
        if work.ready != picked:
            return True
        if known is None:
            return False
        has_changed = known.tag != work.sight.tag
        # A version that is new was loaded when its files were there, by whoever brought it.
        return bool(picked & known.versions) if has_changed else known.is_suspect

    def _remember(self, work: _Work, versions: frozenset[int], is_for_here: bool = True) -> None:
        # The tags are older than the load: a change in between shows in the next round.
        self._loaded[work.name] = _Loaded(
            work.sight.tag, work.sight.record, versions, is_for_here=is_for_here
        )

    def _load(self, work: _Work, picked: frozenset[int]) -> Repair:
        name = str(work.name)
        known = self._loaded.get(work.name)
        self._around.progress.step(f"loading '{name}' on {self._server.url}")
        serving.load(self._server, work.name, picked, self._around.deadline())
        self._remember(work, picked)
        numbers = ", ".join(map(str, sorted(picked)))
        if work.ready != picked:
            return Repair(name, Outcome.REPAIRED, (f"loaded version {numbers}",))
        if known is not None and not known.is_suspect:
            done = f"loaded version {numbers} again, as its files have changed"
            return Repair(name, Outcome.REPAIRED, (done,))
        return Repair(name, Outcome.FINE)

    def _is_elsewhere(self, name: DeploymentName) -> bool:
        """Whether what was interrupted is for other servers, which see to it."""
        with suppress(DamagedRecordError):
            record = read_record(self._store, name)
            return record is not None and not self._is_for_here(record)
        return False

    def _is_for_here(self, record: Record) -> bool:
        patterns = filter(None, map(str.strip, record.servers.split(",")))
        return not record.servers or bool(self._server.matching(patterns))

    def _not_for_here(self, work: _Work, record: Record) -> _Under | None:
        """Pass over a name that is for other servers; unload it where it was for this one."""
        known = self._loaded.get(record.name)
        if work.ready and known is not None and known.is_for_here:
            return _Under.UNLOAD
        self._remember(work, frozenset(), is_for_here=False)
        return None

    def _repair(self, name: DeploymentName) -> Repair | None:
        """Finish or undo what was interrupted; the next round sees that it is served."""
        self._suspect(name)
        return self._repairing.one(name)

    def _act_on_deleted(
        self, sights: Mapping[DeploymentName, Sight], ready: Mapping[str, frozenset[int]]
    ) -> dict[DeploymentName, Repair]:
        """Unload what this process had loaded, and somebody has deleted."""
        reports = {}
        for name in list(self._loaded):
            sight = sights.get(name, Sight())
            if sight.has_record or sight.is_unfinished or self._is_needed(name, sights, ready):
                continue
            self._failures.forget(name)
            report = self._let_go(name) if str(name) in ready else None
            if report is not None:
                reports[name] = report
            if report is None or report.outcome is Outcome.REPAIRED:
                self._loaded.pop(name, None)
        return reports

    def _is_needed(
        self,
        name: DeploymentName,
        sights: Mapping[DeploymentName, Sight],
        ready: Mapping[str, frozenset[int]],
    ) -> bool:
        """Whether an ensemble may still serve with a part that was deleted: it missed an update."""
        owner = self._loaded[name].part_of
        if not DeploymentName.is_valid(owner):
            return False
        sight = sights.get(DeploymentName(owner), Sight())
        last = self._loaded.get(DeploymentName(owner))
        is_current = sight.has_record and last is not None and last.tag == sight.tag
        return owner in ready and not is_current

    def _let_go(self, name: DeploymentName) -> Repair | None:
        """Unload a name that is not for this server, or not there any more."""
        try:
            with self._operation(name) as (operation, _):
                now = Snapshot.take(self._store, name)
                mine = now.record is not None and self._is_for_here(now.record)
                if mine or (now.exists and now.record is None):
                    return None
                operation.unload()
        except DeploymentBusyError as error:
            return Repair(str(name), Outcome.BUSY, error=error)
        except DeployError as error:
            return Repair(str(name), Outcome.FAILED, error=error)
        self._loaded.pop(name, None)
        return Repair(str(name), Outcome.REPAIRED, ("unloaded it",))

    def _heal(
        self, sights: Mapping[DeploymentName, Sight], reports: Iterable[Repair]
    ) -> tuple[bool, tuple[str, ...]]:
        """See to it that no version that failed keeps the server unready; tell how that went."""
        if self._readiness.is_given():
            return True, ()
        if any(report.outcome is Outcome.BUSY for report in reports):
            return False, ()  # that is reason enough, and the index costs much
        ours = frozenset(name for name, sight in sights.items() if sight.has_record)
        healed = self._readiness.heal(ours)
        for name in healed:
            self._suspect(name)
        return self._readiness.is_given(), tuple(map(str, healed))

    def _unserved(
        self, sights: Mapping[DeploymentName, Sight], reports: Iterable[Repair]
    ) -> frozenset[str]:
        recorded = {str(name) for name, sight in sights.items() if sight.has_record}
        return frozenset(
            report.name
            for report in reports
            if report.outcome in {Outcome.BUSY, Outcome.FAILED}
            and report.name in recorded
            and not self._serves(report.name)
        )

    def _serves(self, name: str) -> bool:
        try:
            return bool(self._server.ready_versions(name))
        except ServerError:
            return False
