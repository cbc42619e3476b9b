"""The parts of one ensemble: models of their own, put up beside the old ones, and taken down.

A part is written once, under a name that nobody has, and never changed. Its record says whose it
is. Before the first file of a part is written its name is noted; what is noted is looked at by the
next operation on the ensemble, if this one does not come to it: what the ensemble's files do not
name is removed. All of it happens under the ensemble's lease, and what is done to a part under the
part's own as well, so that nobody else takes the name meanwhile.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from triton_deploy_core import planning
from triton_deploy_core.bookkeeping import own_prefix
from triton_deploy_core.ensembles import chain
from triton_deploy_core.ensembles.package import Step
from triton_deploy_core.ensembles.parts_first import load_part, load_parts
from triton_deploy_core.errors import (
    DamagedRecordError,
    DeploymentExistsError,
    ServerError,
)
from triton_deploy_core.files import Files, is_unfinished, read_holdings
from triton_deploy_core.layout import prefix, versions
from triton_deploy_core.lease import holding
from triton_deploy_core.names import DeploymentName, part_name
from triton_deploy_core.operation import Operation
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.snapshot import Snapshot, read_record
from triton_deploy_core.surroundings import Surroundings

REHEARSAL = "rehearsal"
"""The role of a copy of the ensemble that is loaded before the ensemble itself."""


@dataclass(frozen=True, slots=True)
class Allotted:
    """A step, and the model that it is going to be.

    Attributes:
        step: the step.
        name: the model's name.
        is_new: whether it is still to be put up; else there is such a model already.
    """

    step: Step
    name: DeploymentName
    is_new: bool


class Parts:
    """The parts of one ensemble.

    Args:
        store: the repository.
        files: the ensemble's own files, under its lease.
        around: what operations on parts work with.
        progress: told of bytes.
    """

    def __init__(
        self, store: BlobStore, files: Files, around: Surroundings, progress: Progress
    ) -> None:
        self._store = store
        self._files = files
        self._around = around
        self._progress = progress
        self._owner = files.name

    def named_in(self, now: Snapshot) -> frozenset[DeploymentName]:
        """Return the parts of what is deployed, and of what is kept."""
        return chain.parts_in(self._store, now)

    def listed_in(self, package: ModelPackage) -> tuple[DeploymentName, ...]:
        """Return the parts of a package that is a kept version of the ensemble."""
        return chain.listed_in(self._store, package, self._owner)

    def allot(
        self, steps: Sequence[Step], present: Collection[DeploymentName]
    ) -> tuple[Allotted, ...]:
        """Choose a model for each step: one that is just that already, else a new one.

        Args:
            steps: the steps.
            present: the parts that there are.

        Raises:
            InvalidPackageError: see `planning.plan`.
            InvalidNameError: the ensemble's name leaves no room for its parts' names.
        """
        taken = set(present)
        allotted = []
        for step in steps:
            same = next((part for part in sorted(present) if self._is_just(part, step)), None)
            name = same or self.free_name(step.role, taken)
            taken.add(name)
            allotted.append(Allotted(step, name, is_new=same is None))
        return tuple(allotted)

    def free_name(self, role: str, taken: Collection[DeploymentName]) -> DeploymentName:
        """Return a name for a part that nobody has: in the repository, on the server, or soon."""
        names = (part_name(self._owner, role, number) for number in itertools.count(1))
        return next(name for name in names if name not in taken and self._is_free(name))

    def put_up(self, one: Allotted, *, servers: str) -> None:
        """Write a new part, and see that it serves; a failure leaves nothing of it.

        Args:
            one: the part.
            servers: the servers of the ensemble, see `placement`.

        Raises:
            DeploymentExistsError: somebody took the name meanwhile.
            DeployError: see `DeploymentService.create`.
        """
        with self._at_work(one.name, "update") as (operation, files):
            now = files.snapshot()
            if now.exists:
                raise DeploymentExistsError(
                    f"Somebody made a model '{one.name}' while '{self._owner}' was to have a part "
                    "of that name. Run the command again."
                )
            operation.deploy(one.step.package, now, servers=servers, part_of=self._owner)

    def touch(self, part: DeploymentName) -> None:
        """Have the next load of the ensemble bring up a part anew."""
        with self._at_work(part, "update") as (_, files):
            if self._is_ours(part):
                files.touch()

    def versions(self, part: DeploymentName) -> frozenset[int]:
        """Return the versions that there are of a part."""
        start = prefix(part)
        return versions(blob.key.removeprefix(start) for blob in self._store.list(start))

    def load(self, server: InferenceServer, now: Snapshot) -> None:
        """Load the parts of what is deployed: see `load_parts`."""
        configs = self._around.configs
        load_parts(
            *(server, self._store, configs, now, self._around.deadline()),
            permit=self._files.confirm,
        )

    def load_one(self, server: InferenceServer, part: DeploymentName) -> None:
        """Load a part that there is, where it is not loaded: see `load_part`."""
        configs = self._around.configs
        load_part(
            *(server, self._store, configs, part, self._around.deadline()),
            permit=self._files.confirm,
        )

    def note(self, parts: Sequence[DeploymentName]) -> None:
        """Write down whose fate is open from now on; what is made of others comes first."""
        self._files.note_parts(parts)

    def tidy(self, *, now_or_later: bool = False) -> bool:
        """See to all parts whose fate is open: nothing stays that the ensemble does not name.

        Those that serve with it stay, those of versions that are kept are unloaded, others are
        removed.

        Args:
            now_or_later: leave to the next operation what a load that goes on still holds.

        Returns:
            Whether there were any.

        Raises:
            DeployError: it could not be done; the next operation tries again.
        """
        noted = self._files.parts()
        if not noted:
            return False
        if self._files.journal() is not None:
            return False  # the ensemble's own fate is open, and theirs with it
        now = self._files.snapshot()
        kept = self.named_in(now)
        left = [part for part in noted if not self._see_to(part, now, kept, later=now_or_later)]
        self._files.note_parts(left)
        return True

    def _see_to(
        self,
        part: DeploymentName,
        now: Snapshot,
        kept: Collection[DeploymentName],
        *,
        later: bool,
    ) -> bool:
        left_open = is_unfinished(self._store, part)
        is_used = _is_named(part, now)
        servers = "" if now.record is None else now.record.servers
        if left_open and later:
            return False
        if is_used and not (left_open or servers):
            return True
        with self._at_work(part, "update") as (operation, files):
            operation.recover()
            if not any(files.present()):
                files.sweep()
            elif not self._is_ours(part):
                pass  # somebody took the name before we could
            elif is_used:
                operation.leave(servers)
            elif part in kept:
                operation.let_go()
            else:
                operation.delete()
        return True

    def _is_just(self, part: DeploymentName, step: Step) -> bool:
        """Whether a part is just what a step needs."""
        if not self._is_ours(part):
            return False
        now = Snapshot.take(self._store, part)
        configs = self._around.configs
        holdings = read_holdings(self._store, now)
        return not planning.plan(step.package, now, holdings, configs).changes(now)

    def _is_ours(self, part: DeploymentName) -> bool:
        try:
            record = read_record(self._store, part)
        except DamagedRecordError:
            return False
        return record is not None and record.part_of == str(self._owner)

    def _is_free(self, name: DeploymentName) -> bool:
        if any(self._store.list(prefix(name))) or any(self._store.list(own_prefix(name))):
            return False
        answers = self._around.server.ask_each(lambda one: one.ready_versions(str(name)))
        for answer in answers.values():
            if isinstance(answer, ServerError):
                raise answer
        return not any(answers.values())

    @contextmanager
    def _at_work(self, part: DeploymentName, what: str) -> Iterator[tuple[Operation, Files]]:
        with holding(self._store, part, what, clock=self._around.clock) as lease:
            self._files.confirm()
            files = Files(self._store, part, lease, self._progress)
            yield Operation(files, self._around), files


def _is_named(part: DeploymentName, now: Snapshot) -> bool:
    """Whether a configuration names a model: in one of its steps, as far as its text tells."""
    configs = [*now.named.values(), now.config or b""]
    return any(quote + str(part).encode() + quote in text for text in configs for quote in _QUOTES)


_QUOTES = (b'"', b"'")
