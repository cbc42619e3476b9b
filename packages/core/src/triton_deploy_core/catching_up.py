"""Servers that do not serve what the files say, brought up to date.

They started empty, were changed by somebody else, or were left behind by an operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from types import MappingProxyType

from triton_deploy_core import differences, healing, placement, serving
from triton_deploy_core.answering import Answering
from triton_deploy_core.behind import Behind
from triton_deploy_core.errors import InvalidPackageError, LoadFailedError
from triton_deploy_core.failures import listed
from triton_deploy_core.files import Files
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.surroundings import Surroundings
from triton_deploy_core.taking_back import unready_remark


class CatchingUp:
    """Brings the servers of one name up to date."""

    def __init__(self, files: Files, around: Surroundings) -> None:
        self._files = files
        self._around = around
        self._server = around.server
        self._name = files.name

    def load(self) -> list[str]:
        """Have every server serve what the files say; return what was done, a clause each.

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
        servers = "" if now.record is None else now.record.servers
        behind = self._files.behind()
        server = placement.chosen(self._server, servers)
        stale = self._stale(server, behind, picked)
        done = []
        left_behind = server.left_behind()
        if stale is not None:
            left_behind = self._load(stale, picked).left_behind()
            done.append(f"loaded version {', '.join(map(str, sorted(picked)))}")
        others = placement.outside(self._server, servers)
        if others is not None:
            left = serving.unload_where_served(
                others, self._name, self._around.deadline(), permit=self._files.confirm
            )
            done += [f"unloaded it from {listed(sorted(left))}"] if left else []
        reached = _urls(server) | (_urls(others) if others is not None else frozenset())
        self._heal_stragglers(server, behind, now, picked)
        coming = {version for one in behind.servers.values() for version in one.coming}
        self._note(behind, reached=reached, left=left_behind, coming=coming)
        return done

    def follow(self, now: Snapshot) -> None:
        """Have every server serve what these files say, without the lease: nothing is written.

        Raises:
            DeployError: a server did not.
        """
        deadline = self._around.deadline
        if now.record is None:
            others = (
                None if now.exists else self._server
            )  # what exists is not ours, or not complete
        else:
            picked = differences.picked_versions(now.config, now.files, self._around.configs)
            others = placement.outside(self._server, now.record.servers)
            inside = placement.inside(self._server, now.record.servers)
            if picked and inside is not None:
                serving.load(inside, self._name, picked, deadline())
        if others is not None:
            serving.unload_where_served(others, self._name, deadline(), permit=serving.always)

    def let_go_of_deleted(self) -> list[str]:
        """Unload a name that was deleted from servers that missed it; return what was done."""
        behind = self._files.behind()
        server = self._server.part(behind.servers.keys())
        if server is None:
            self._note(behind, reached=())
            return []
        answering = Answering(server)
        told = answering.tell(self._let_go_without_files)
        left = sorted(url for url, served in told.items() if served)
        for url in healing.unready(answering):
            coming = behind.servers[url].coming
            if coming:
                answering.tell(partial(self._heal, failed=coming), {url})
        self._note(behind, reached=answering.urls)
        return [f"unloaded it from {listed(left)}"] if left else []

    def _let_go_without_files(self, server: InferenceServer) -> bool:
        return serving.unload_without_files(
            server, self._name, self._around.deadline(), permit=self._files.confirm
        )

    def _stale(
        self, server: InferenceServer, behind: Behind, picked: frozenset[int]
    ) -> InferenceServer | None:
        """Return the part that has to load: what serves just that already may load it anew."""
        told = server.ask_each(lambda one: one.ready_versions(str(self._name)))
        return server.part({url for url in told if told[url] != picked or url in behind.servers})

    def heal(self, failed: frozenset[int]) -> None:
        """Take servers out of the readiness trap that these versions put them into.

        What serves goes on serving. Whether they are ready then is for the caller to ask:
        something else may keep them from that.
        """
        answering = Answering(self._server)
        unready = healing.unready(answering)
        told = answering.tell(lambda one: one.ready_versions(str(self._name)), unready)
        serving_some = {url for url, versions in told.items() if versions}
        if serving_some:
            self._lend(answering, serving_some, self._files.snapshot(), failed)

        def heal_with_tiny_model(server: InferenceServer) -> bool:
            # Of several names that failed, only the last one's healing can make it ready.
            return self._heal(server, failed, was_ready=False)

        answering.tell(heal_with_tiny_model, told.keys() - serving_some)

    def _load(self, server: InferenceServer, picked: frozenset[int]) -> InferenceServer:
        told = server.ask_each(lambda one: one.is_ready())
        was_ready = {url for url, is_ready in told.items() if is_ready is True}
        self._around.progress.step(f"loading '{self._name}' on {server.url}")
        try:
            reached = serving.load(
                *(server, self._name, picked, self._around.deadline()), permit=self._files.confirm
            )
        except LoadFailedError as error:
            unready = self._heal_where_nothing_serves(server, was_ready, picked)
            if unready:
                error.amend(unready_remark(unready, self._name, picked))
            raise
        return serving.wait_until_quiet(reached, self._name, self._around.deadline())

    def _heal_where_nothing_serves(
        self, server: InferenceServer, urls: Collection[str], failed: frozenset[int]
    ) -> frozenset[str]:
        """Take servers out of the readiness trap, where that disturbs nothing that serves.

        Returns:
            The URLs of those that are not ready after it.
        """
        answering = Answering(server)
        unready = healing.unready(answering, urls)
        told = answering.tell(lambda one: one.ready_versions(str(self._name)), unready)
        empty = {url for url, versions in told.items() if not versions}
        answering.tell(partial(self._heal, failed=failed), empty)
        return healing.unready(answering, unready)

    def _heal(
        self, server: InferenceServer, failed: frozenset[int], *, was_ready: bool = True
    ) -> bool:
        return healing.heal_with_tiny_model(
            *(server, self._name, failed, self._around.deadline()),
            was_ready=was_ready,
            permit=self._files.confirm,
        )

    def _heal_stragglers(
        self, server: InferenceServer, behind: Behind, now: Snapshot, picked: frozenset[int]
    ) -> None:
        """Heal what failed, on servers that were left behind, under numbers nobody serves."""
        answering = Answering(server)
        stragglers = behind.among(_urls(server)).servers
        missed = {url for url, one in stragglers.items() if one.coming - picked}
        urls = healing.unready(answering, missed)
        if not urls:
            return
        failed = frozenset().union(*(stragglers[url].coming for url in urls)) - picked
        self._lend(answering, urls, now, failed)

    def _lend(
        self, answering: Answering, urls: Collection[str], now: Snapshot, failed: frozenset[int]
    ) -> None:
        """Lend numbers that failed to what serves, for as long as it takes to load that."""
        journal = self._files.standing(now, coming=failed)
        self._files.note(journal)
        healing.heal_with_old_version(
            answering,
            urls,
            self._files,
            self._around.configs,
            now=now,
            failed=failed,
            journal=journal,
            deadline=self._around.deadline,
        )
        self._files.forget()

    def _note(
        self,
        before: Behind,
        *,
        reached: Collection[str],
        left: Mapping[str, str] = MappingProxyType({}),
        coming: Collection[int] = (),
    ) -> None:
        behind = before.after(
            reached=reached,
            left=left,
            coming=coming,
            known=_urls(self._server) | self._server.left_behind().keys(),
            now=self._around.clock.now(),
        )
        if behind != before:
            self._files.note_behind(behind)


def _urls(server: InferenceServer) -> frozenset[str]:
    return frozenset(one.url for one in server.servers())
