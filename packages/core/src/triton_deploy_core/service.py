"""The deployment service: create to delete, list, get, repair, reconcile; the laws kept.

It knows a repository, a server and Triton's configuration format by their ports only.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from triton_deploy_core import parallel, placement, serving
from triton_deploy_core.by_server import ByServer, loaded_by_name, of_name
from triton_deploy_core.clock import Clock, SystemClock
from triton_deploy_core.deployment import Deployment, OnServer
from triton_deploy_core.differences import find_differences
from triton_deploy_core.ensembles.operation import CompositeOperation
from triton_deploy_core.ensembles.package import EnsemblePackage
from triton_deploy_core.ensembles.parts import Parts
from triton_deploy_core.ensembles.showing import with_parts
from triton_deploy_core.errors import (
    DamagedRecordError,
    DeployError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    InvalidSettingError,
    LeaseLostError,
    NotOursError,
    ServerError,
    StoreAccessError,
)
from triton_deploy_core.failures import listed
from triton_deploy_core.files import Files, is_unfinished, read_behind
from triton_deploy_core.journal import Phase
from triton_deploy_core.lease import holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.progress import NoProgress, Progress
from triton_deploy_core.ports.server import IndexEntry, InferenceServer
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.reconciling import DEFAULT_PARALLELISM, Reconciler
from triton_deploy_core.records import Record
from triton_deploy_core.repairing import Repair, Repairing
from triton_deploy_core.snapshot import (
    Snapshot,
    read_record,
    require_no_part,
    require_ours,
)
from triton_deploy_core.surroundings import Surroundings
from triton_deploy_core.transfer_deadline import TimedProgress

DEFAULT_TIMEOUT_SECONDS = 900.0
DEFAULT_KEEP_VERSIONS = 1


class DeploymentService:
    """Deploys model packages into one repository that one server reads.

    Every method takes a name as text and raises `InvalidNameError` before anything is touched
    when it is none; any of them may raise `StoreError` or `ServerError`.
    """

    def __init__(
        self,
        store: BlobStore,
        server: InferenceServer,
        configs: ConfigFormat,
        *,
        progress: Progress | None = None,
        clock: Clock | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        """Put the service together.

        Args:
            store: the model repository.
            server: the server that reads it.
            configs: reads and rewrites ``config.pbtxt``.
            progress: told of steps and bytes.
            clock: the machine's own if left out.
            timeout: seconds that one load or unload may take; also one transfer, which may take
                longer the larger it is (`transfer_deadline`).
        """
        self._store = store
        self._server = server
        self._around = Surroundings(
            server=server,
            configs=configs,
            progress=progress or NoProgress(),
            clock=clock or SystemClock(),
            timeout=timeout,
            location=store.location,
        )

    @property
    def progress(self) -> Progress:
        """What is told of steps and bytes: for callers whose own steps belong to the same work."""
        return self._around.progress

    def require_new(self, name: str, *, servers: str = "") -> None:
        """See that `create` could begin: for callers who make an expensive package first.

        Args:
            name: the deployment's name.
            servers: see `create`.

        Raises:
            InvalidSettingError: `servers` matches none.
            DeploymentExistsError: there is a deployment of that name.
            NotOursError: there is a directory of that name.
        """
        parsed = DeploymentName(name)
        server = self._answering(parsed, servers)
        self._recover(parsed, server)
        self._require_free(Snapshot.take(self._store, parsed), server)

    def require_existing(self, name: str, *, servers: str | None = None) -> Record:
        """See that `update` could begin, and return what is deployed now.

        Args:
            name: the deployment's name.
            servers: see `update`.

        Raises:
            InvalidSettingError: `servers` matches none.
            DeploymentNotFoundError: there is no deployment of that name.
            NotOursError: there is a directory of that name which is none.
        """
        parsed = DeploymentName(name)
        self._recover(parsed, self._answering(parsed, servers))
        return self._record(parsed)

    def has(self, name: str) -> bool:
        """Tell whether there is a deployment of that name."""
        return self.find_record(name) is not None

    def find_record(self, name: str) -> Record | None:
        """Return what is remembered of a deployment; None where there is none to be read."""
        found = self._record_or_error(DeploymentName(name))
        return found if isinstance(found, Record) else None

    def create(
        self, name: str, package: ModelPackage | EnsemblePackage, *, servers: str = ""
    ) -> Deployment:
        """Deploy a package under a new name; return when it serves.

        A failure leaves nothing behind.

        Args:
            name: the deployment's name.
            package: the model.
            servers: those of several servers that it is for: patterns of their names (`placement`),
                separated by commas; empty for all.

        Raises:
            InvalidSettingError: `servers` matches none.
            DeploymentExistsError: there is a deployment of that name.
            NotOursError: there is a directory of that name.
            DeploymentBusyError: another operation on that name is under way.
            InvalidPackageError: the package can't be served.
            LoadFailedError: Triton refused it.
            LoadTimeoutError: Triton was still loading it at the deadline.
        """
        parsed = DeploymentName(name)
        server = self._answering(parsed, servers)
        with self._operation(parsed, "create", server) as (operation, _):
            now = Snapshot.take(self._store, parsed)
            self._require_free(now, server)
            operation.let_go_of_deleted()
            return operation.deploy(package, now, servers=servers)

    def update(
        self,
        name: str,
        package: ModelPackage | EnsemblePackage,
        *,
        keep_versions: int = DEFAULT_KEEP_VERSIONS,
        force: bool = False,
        servers: str | None = None,
    ) -> Deployment:
        """Replace what a name serves; the old version serves until the new one does.

        A failure leaves the old version serving and its files as they were.

        Args:
            name: the deployment's name.
            package: the model.
            keep_versions: how many previous versions stay in the repository, so that going back
                to one of them transfers nothing; 0 or more. A package that its user laid out
                says itself which versions there are.
            force: have the server load the model again, also where nothing has changed.
            servers: those of several servers that it is for from now on, as `create` takes them;
                it is unloaded from others. As before if left out.

        Raises:
            DeploymentNotFoundError: there is no deployment of that name.
            NotOursError: there is a directory of that name which is none.
            DeploymentBusyError: another operation on that name is under way.
            InvalidPackageError: the package can't be served.
            LoadFailedError: Triton refused it.
            LoadTimeoutError: Triton was still loading it at the deadline.
            InvalidSettingError: `keep_versions` is negative, or `servers` matches none.
        """
        parsed = DeploymentName(name)
        if keep_versions < 0:
            raise InvalidSettingError(f"keep_versions={keep_versions}: it has to be 0 or more.")
        server = self._answering(parsed, servers)
        with self._operation(parsed, "update", server) as (operation, _):
            now = Snapshot.take(self._store, parsed)
            require_ours(now, self._store.location)
            if now.record is None:
                raise self._not_found(parsed)
            return operation.deploy(
                package,
                now,
                keep_versions=keep_versions,
                force=force,
                servers=now.record.servers if servers is None else servers,
            )

    def rollback(self, name: str, *, version: int | None = None) -> Deployment:
        """Go back to a version that served before and that the repository keeps.

        The model is not needed for that, and none of its files is transferred: what it was deployed
        with was written down. What serves now is kept; so going back again returns to it.
        A failure leaves that serving.

        Args:
            name: the deployment's name.
            version: which of Triton's versions; the one that served last if left out.

        Raises:
            NoPreviousVersionError: none is kept, or it is not what it was.
            DeploymentNotFoundError: there is no deployment of that name.
            NotOursError: there is a directory of that name which is none.
            DeploymentBusyError: another operation on that name is under way.
            LoadFailedError: Triton refused it.
            LoadTimeoutError: Triton was still loading it at the deadline.
        """
        parsed = DeploymentName(name)
        server = self._answering(parsed)
        with self._operation(parsed, "rollback", server) as (operation, _):
            now = Snapshot.take(self._store, parsed)
            require_ours(now, self._store.location)
            if now.record is None:
                raise self._not_found(parsed)
            return operation.roll_back(now, version=version)

    def delete(self, name: str) -> None:
        """Unload a deployment, wait until the server has let go, and remove its files.

        A name that is neither in the repository nor served is no error.

        Raises:
            NotOursError: there is a directory of that name which is no deployment, or the server
                has a model of that name from elsewhere.
            DeploymentBusyError: another operation on that name is under way.
        """
        parsed = DeploymentName(name)
        server = self._answering(parsed)
        with self._operation(parsed, "delete", server) as (operation, _):
            now = Snapshot.take(self._store, parsed)
            require_ours(now, self._store.location)
            if now.exists:
                operation.delete()
            else:
                operation.let_go_of_deleted()
                self._require_not_served(parsed, server)

    def get(self, name: str) -> Deployment:
        """Return one deployment as it stands, with what does not agree about it.

        Raises:
            DeploymentNotFoundError: there is no deployment of that name.
            NotOursError: there is a directory of that name which is none.
        """
        parsed = DeploymentName(name)
        try:
            record = self._record(parsed)
        except DamagedRecordError as error:
            ready = ByServer.ask(self._server, parsed, "")
            return Deployment.damaged(parsed, error, self._on_servers([(parsed, ready)])[parsed])
        ready = ByServer.ask(self._server, parsed, record.servers)
        differences = find_differences(
            self._store,
            self._around.configs,
            parsed,
            ready=ready,
        )
        servers = self._on_servers([(parsed, ready)])[parsed]
        return with_parts(Deployment.of(record, servers).with_differences(differences), self._store)

    def list(self) -> builtins.list[Deployment]:
        """Return every deployment, by name; directories of others are left out.

        Of what does not agree it tells damaged records only: for the rest see `get`.
        """
        found = self._records()
        answers = loaded_by_name(self._server)
        servers = self._on_servers(
            [
                (
                    name,
                    ByServer.sort(
                        self._server,
                        of_name(answers, name),
                        record.servers if isinstance(record, Record) else "",
                    ),
                )
                for name, record in found
            ]
        )
        return [
            Deployment.damaged(name, record, servers[name])
            if isinstance(record, DamagedRecordError)
            else Deployment.of(record, servers[name])
            for name, record in found
        ]

    def repair(self, name: str | None = None) -> builtins.list[Repair]:
        """Finish or undo what was interrupted, and have the server serve what the files say.

        May be done again and again. What somebody else is at work on is left alone and reported,
        as is what fails; neither keeps the others from being repaired.

        Args:
            name: a deployment; all that are in the repository if left out.

        Returns:
            What was done, by name.

        Raises:
            DeploymentNotFoundError: there is no deployment of that name, and nothing left of one.
            NotOursError: there is a directory of that name which is none.
        """
        parsed = None if name is None else DeploymentName(name)
        self._store.check()
        server = serving.require_control(self._server, self._around.deadline())
        repairing = Repairing(
            self._store,
            replace(self._around, server=server),
            lambda one: self._operation(one, "repair", server),
        )
        if parsed is None:
            return repairing.all()
        report = repairing.one(parsed)
        if report is None:
            require_ours(Snapshot.take(self._store, parsed), self._store.location)
            raise self._not_found(parsed)
        return [report]

    def reconciler(self, *, parallelism: int = DEFAULT_PARALLELISM) -> Reconciler:
        """Return what brings the server, round after round, to what the records say.

        Args:
            parallelism: so many loads at once at most.
        """
        return Reconciler(
            self._store,
            self._around,
            lambda name: self._operation(name, "repair", self._server),
            parallelism=parallelism,
        )

    def _answering(self, name: DeploymentName, servers: str | None = None) -> InferenceServer:
        """Return the servers that an operation on a name concerns, when they answer.

        Args:
            name: the name.
            servers: those that it is to be for; None: those that it is for.

        Raises:
            InvalidSettingError: `servers` matches none.
            ServerError: one does not answer, or takes no load requests.
        """
        self._store.check()
        if servers:
            placement.chosen(self._server, servers)
        # Of one server there is nothing to choose, and one that died may have been at all of them.
        is_all = len(self._server.servers()) == 1 or is_unfinished(self._store, name)
        concerned = self._server if is_all else self._concerned(name, servers)
        return serving.require_control(concerned, self._around.deadline())

    def _concerned(self, name: DeploymentName, servers: str | None) -> InferenceServer:
        record = self._record_or_error(name)
        if not isinstance(record, Record):
            return placement.inside(self._server, servers or "") or self._server
        wanted = record.servers if servers is None else placement.both(record.servers, servers)
        # For a server that is no more, any may be asked.
        return placement.inside(self._server, wanted) or self._server

    @contextmanager
    def _operation(
        self, name: DeploymentName, what: str, server: InferenceServer
    ) -> Iterator[tuple[CompositeOperation, Phase | None]]:
        """Hold the lease on a name, with what an interrupted operation left carried out."""
        progress = TimedProgress(self._around.progress, self._around.clock, self._around.timeout)
        around = replace(self._around, server=server)
        try:
            with holding(self._store, name, what, clock=self._around.clock) as lease:
                files = Files(self._store, name, lease, progress)
                operation = CompositeOperation(
                    files, around, Parts(self._store, files, around, progress)
                )
                yield operation, operation.recover()
        except LeaseLostError as error:
            if files.has_committed:
                error.amend("Its own change had been committed before.")
            try:
                error.amend(operation.yield_to_others())
            except DeployError as second:
                error.amend(f"What is deployed now could not be read: {second}")
            raise

    def _recover(self, name: DeploymentName, server: InferenceServer) -> None:
        """Finish or undo what an operation left that died, where there is such a thing."""
        if is_unfinished(self._store, name):
            with self._operation(name, "repair", server):
                pass

    def _require_free(self, now: Snapshot, server: InferenceServer) -> None:
        require_ours(now, self._store.location)
        if now.exists:
            raise DeploymentExistsError(
                f"There is a deployment '{now.name}' in {self._store.location} already. "
                "Update it, delete it first, or choose another name."
            )
        self._require_not_served(now.name, server)

    def _require_not_served(self, name: DeploymentName, server: InferenceServer) -> None:
        answers = server.ask_each(lambda one: one.ready_versions(str(name)))
        for error in answers.values():
            if isinstance(error, ServerError):
                raise error
        serving_it = [url for url, versions in answers.items() if versions]
        if not serving_it:
            return
        # One that missed the delete of such a deployment is going to be told.
        behind = read_behind(self._store, name)
        strangers = [url for url in serving_it if url not in behind.servers]
        if strangers:
            raise NotOursError(
                f"{listed(strangers)} serves a model '{name}' that is not in "
                f"{self._store.location}. Check that TRITON_MODEL_REPO names the repository that "
                "the server reads; if the model's files are gone, unload it: POST "
                f"/v2/repository/models/{name}/unload."
            )

    def _record(self, name: DeploymentName) -> Record:
        record = read_record(self._store, name)
        if record is not None:
            require_no_part(record)
            return record
        now = Snapshot.take(self._store, name)
        # The record is a create's last file: the journal says whether it is still to come, and
        # where there is none any more, it has come or the directory is not ours.
        if is_unfinished(self._store, name):
            raise self._not_found(name)
        record = read_record(self._store, name)
        if record is not None:
            return record
        require_ours(now, self._store.location)
        raise self._not_found(name)

    def _not_found(self, name: DeploymentName) -> DeploymentNotFoundError:
        return DeploymentNotFoundError(
            f"There is no deployment '{name}' in {self._store.location}. "
            "`mlflow deployments list -t triton` names those there are."
        )

    def _records(self) -> builtins.list[tuple[DeploymentName, Record | DamagedRecordError]]:
        found: builtins.list[tuple[DeploymentName, Record | DamagedRecordError]] = []

        def read(name: DeploymentName) -> None:
            record = self._record_or_error(name)
            if isinstance(record, Record) and record.part_of:
                return
            if record is not None:
                found.append((name, record))

        names = (
            DeploymentName(directory)
            for directory in self._store.directories()
            if DeploymentName.is_valid(directory)
        )
        parallel.for_each(read, names, threads=self._store.capabilities.parallel_reads)
        return sorted(found, key=lambda row: row[0])

    def _record_or_error(self, name: DeploymentName) -> Record | DamagedRecordError | None:
        try:
            return read_record(self._store, name)
        except DamagedRecordError as error:
            return error
        except StoreAccessError:
            # A link out of the repository: none of ours.
            return None

    def _on_servers(
        self, found: Sequence[tuple[DeploymentName, ByServer]]
    ) -> dict[DeploymentName, dict[str, OnServer]]:
        """Return what each server says of deployments; those that serve none are asked why."""
        idle = {url for _, ready in found for url, versions in ready.inside.items() if not versions}
        part = self._server.part(idle)
        index = part.ask_each(lambda one: one.index()) if part is not None else {}
        return {name: _on_servers(name, ready, index) for name, ready in found}


def _on_servers(
    name: DeploymentName,
    ready: ByServer,
    index: Mapping[str, Sequence[IndexEntry] | ServerError],
) -> dict[str, OnServer]:
    found: dict[str, OnServer] = {}
    for url, versions in ready.inside.items():
        rows = () if versions else index[url]
        if isinstance(rows, ServerError):
            found[url] = OnServer.silent(rows)
        else:
            found[url] = OnServer.of(name, versions, rows)
    found |= {url: OnServer.silent(error) for url, error in ready.silent.items()}
    elsewhere = {url: versions for url, versions in ready.outside.items() if versions}
    return found | {url: OnServer.of(name, versions, ()) for url, versions in elsewhere.items()}
