"""Repair: what a name needs so that its files, and what the server serves, are as its record says.

For names whose operation was interrupted, and for servers that came back empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import (
    behind_key,
    fence_key,
    journal_key,
    name_of,
    own_keys,
    own_prefix,
    parts_key,
)
from triton_deploy_core.by_server import Answers, ByServer, loaded_by_name, of_name
from triton_deploy_core.differences import Kind, compare, find_differences
from triton_deploy_core.errors import (
    DamagedRecordError,
    DeployError,
    DeploymentBusyError,
    StoreAccessError,
    StoreError,
)
from triton_deploy_core.fence import Fence
from triton_deploy_core.files import read_behind
from triton_deploy_core.journal import Phase
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.operation import Operation
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.records import Record
from triton_deploy_core.snapshot import Snapshot, read_record, require_ours
from triton_deploy_core.surroundings import Surroundings

_READERS = 16


class Outcome(Enum):
    """How the repair of one name ended."""

    FINE = "fine"
    """There was nothing to do."""

    REPAIRED = "repaired"
    """All is now as the record says; of a name that has none, nothing is left."""

    BUSY = "busy"
    """Somebody else is at work on the name, so it was left alone."""

    FAILED = "failed"
    """It could not be done, or not all of it."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What the repair of one name did.

    Attributes:
        name: the deployment's name.
        outcome: how it ended.
        done: what was done, a clause each.
        error: why it did not end well; None where it did.
    """

    name: str
    outcome: Outcome
    done: tuple[str, ...] = ()
    error: DeployError | None = None


OpenOperation = Callable[[DeploymentName], AbstractContextManager[tuple[Operation, Phase | None]]]
"""Takes the lease on a name and carries out what its journal says; tells what that was."""

_RECOVERED = {
    Phase.UNDO: "took back an operation that was interrupted",
    Phase.SETTLE: "finished an update that was interrupted",
    Phase.DELETE: "finished a delete that was interrupted",
}


class Repairing:
    """Repairs names of one repository."""

    def __init__(self, store: BlobStore, around: Surroundings, operation: OpenOperation) -> None:
        self._store = store
        self._around = around
        self._operation = operation

    def one(self, name: DeploymentName) -> Repair | None:
        """Repair one name; None where there is nothing of ours under it."""
        ready = self._around.server.ask_each(lambda one: one.ready_versions(str(name)))
        return self._repair(name, self._look(name, ready))

    def all(self) -> list[Repair]:
        """Repair every name that has a record of ours or bookkeeping files, in their order."""
        answers = loaded_by_name(self._around.server)
        names = self._names()
        with ThreadPoolExecutor(_READERS, thread_name_prefix="repair") as pool:
            looks = list(pool.map(lambda name: self._look(name, of_name(answers, name)), names))
        reports: list[Repair] = []
        for name, look in zip(names, looks, strict=True):
            if look and self._may_be_needed(name, reports):
                continue
            report = self._repair(name, look)
            if report is not None:
                reports.append(report)
        return reports

    def _may_be_needed(self, name: DeploymentName, before: Sequence[Repair]) -> bool:
        """Whether an ensemble that could not be repaired may serve with what was deleted."""
        bad = {Outcome.BUSY, Outcome.FAILED}
        owners = (one.name for one in before if one.outcome in bad)
        return (
            any(name.value.startswith(f"{owner}.") for owner in owners)
            and read_record(self._store, name) is None
        )

    def _names(self) -> list[DeploymentName]:
        directories = filter(DeploymentName.is_valid, self._store.directories())
        bookkeeping = (name_of(blob.key) for blob in self._store.list("."))
        return sorted({*map(DeploymentName, directories), *filter(None, bookkeeping)})

    def _look(self, name: DeploymentName, ready: Answers) -> bool | None:
        """Tell whether there is anything to repair; None where there is nothing of ours."""
        try:
            return self._needs_repair(name, ready)
        except StoreAccessError:
            # A link out of the repository: somebody else's.
            return None
        except (DamagedRecordError, StoreError):
            # What is wrong with one name is reported with that one.
            return True

    def _needs_repair(self, name: DeploymentName, ready: Answers) -> bool | None:
        keys = {blob.key for blob in self._store.list(own_prefix(name)) if "/" not in blob.key}
        record = read_record(self._store, name)
        if record is None:
            return self._is_left(name, keys, ready)
        if record.part_of and journal_key(name) not in keys:
            return None
        found = find_differences(
            self._store,
            self._around.configs,
            name,
            ready=ByServer.sort(self._around.server, ready, record.servers),
        )
        if keys & {journal_key(name), parts_key(name)} or keys - own_keys(name):
            return True
        if fence_key(name) in keys and self._has_late_files(name):
            return True
        return any(one.kind is not Kind.SILENT for one in found)

    def _is_left(self, name: DeploymentName, keys: Collection[str], ready: Answers) -> bool | None:
        """Tell whether anything is left of a name without a record; None where nothing is ours."""
        if keys == {behind_key(name)}:
            # It was deleted; what missed that may not be among the servers any more.
            behind = read_behind(self._store, name)
            gone = behind.long_gone(ready.keys(), now=self._around.clock.now())
            return bool(behind.among(ready) or gone) or None
        if keys == {fence_key(name)}:
            return any(self._store.list(layout.prefix(name))) or None
        return True if keys else None

    def _has_late_files(self, name: DeploymentName) -> bool:
        paths = (
            blob.key[len(layout.prefix(name)) :] for blob in self._store.list(layout.prefix(name))
        )
        return bool(Fence.read(self._store, name).late(paths))

    def _repair(self, name: DeploymentName, look: bool | None) -> Repair | None:
        if not look:
            return None if look is None else Repair(str(name), Outcome.FINE)
        done: list[str] = []
        try:
            with self._operation(name) as (operation, phase):
                done.extend([_RECOVERED[phase]] if phase else [])
                self._under_lease(name, operation, done)
        except DeploymentBusyError as error:
            return Repair(str(name), Outcome.BUSY, tuple(done), error)
        except DeployError as error:
            return Repair(str(name), Outcome.FAILED, tuple(done), error)
        return Repair(str(name), Outcome.REPAIRED if done else Outcome.FINE, tuple(done))

    def _under_lease(self, name: DeploymentName, operation: Operation, done: list[str]) -> None:
        if operation.tidy():
            done.append("removed what was left behind")
        now = Snapshot.take(self._store, name)
        if now.record is not None and now.record.part_of:
            return
        require_ours(now, self._store.location)
        if now.record is None:
            done.extend(operation.let_go_of_deleted())
        elif self._differs(name, now.record):
            done.extend(operation.load())

    def _differs(self, name: DeploymentName, record: Record) -> bool:
        found = compare(
            self._store,
            self._around.configs,
            name,
            ready=ByServer.ask(self._around.server, name, record.servers),
            behind=read_behind(self._store, name),
        )
        return any(one.kind is not Kind.SILENT for one in found)
