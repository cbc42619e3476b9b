"""An operation taken back: the files as they were, and every server that answers serves them."""

from __future__ import annotations

from collections.abc import Collection

from triton_deploy_core import healing, placement, serving
from triton_deploy_core.answering import Answering
from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import DamagedRecordError, LoadFailedError
from triton_deploy_core.failures import listed
from triton_deploy_core.files import Files
from triton_deploy_core.following import load_to_its_end
from triton_deploy_core.journal import Journal
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import InferenceServer
from triton_deploy_core.records import RECORD_FILE, Record
from triton_deploy_core.surroundings import Surroundings


class TakingBack:
    """Takes one operation back, on the servers that answer.

    Args:
        files: the files of the name.
        around: what the operation works with.
        journal: of the operation.
        answering: the servers that can be told; those that stop answering drop out of it.
    """

    def __init__(
        self, files: Files, around: Surroundings, journal: Journal, answering: Answering
    ) -> None:
        self._files = files
        self._around = around
        self._journal = journal
        self._answering = answering
        self._name = files.name

    def run(self) -> str:
        """Put files and servers back as they were before; return what to say of the outcome.

        Raises:
            ServerError: no server answers. The files are back.
        """
        outcome = self._put_back() if self._journal.before else self._remove()
        # Also where it was not ready before: that may have been for a moment only.
        still = healing.unready(self._answering)
        if still and self._journal.coming:
            self._heal(still)
            still = healing.unready(self._answering, still)
        if not still or not self._journal.was_ready:
            return outcome
        return f"{outcome} {unready_remark(still, self._name, self._journal.coming)}"

    def _put_back(self) -> str:
        self._files.undo(self._journal)
        inside = self._inside()
        told = self._answering.tell(self._load_again, inside - self._answering.untouched)
        self._answering.tell(self._let_go_if_served, self._answering.urls - inside)
        refused = {url: reason for url, reason in told.items() if reason is not None}
        if not refused:
            return "The model that was deployed before still serves."
        # It had failed before, most likely: an update is how one gets out of that.
        reason = next(iter(refused.values()))
        on = "" if len(refused) == len(told) else f" on {listed(refused)}"
        return f"What was deployed before is back but does not load{on}: {reason}."

    def _remove(self) -> str:
        try:
            # Before its directory goes: the index does not show what goes on without one.
            self._answering.tell(self._let_go)
        finally:
            self._files.undo(self._journal)
        return "Nothing was left in the repository."

    def _heal(self, urls: frozenset[str]) -> None:
        """Take servers out of the readiness trap."""
        inside = self._inside() if self._journal.before else frozenset()
        if urls & inside:
            healing.heal_with_old_version(
                self._answering,
                urls & inside,
                self._files,
                self._around.configs,
                now=self._files.snapshot(),
                failed=self._journal.coming,
                journal=self._journal,
                deadline=self._around.deadline,
            )
        self._answering.tell(self._heal_with_tiny_model, urls - inside)

    def _inside(self) -> frozenset[str]:
        """Return the URLs of those servers that served the deployment before."""
        part = placement.inside(self._answering.server, self._servers_before())
        return _urls(part)

    def _servers_before(self) -> str:
        record = self._journal.inline.get(RECORD_FILE)
        try:
            return Record.decode(record, self._name).servers if record is not None else ""
        except DamagedRecordError:
            return ""

    def _load_again(self, server: InferenceServer) -> str | None:
        """Load what is back; return Triton's reason where that is refused."""
        self._files.confirm()
        try:
            load_to_its_end(server, self._name, frozenset(), self._deadline())
        except LoadFailedError as error:
            return error.reason.strip()
        serving.wait_for_one(server, self._name, self._deadline())
        return None

    def _let_go(self, server: InferenceServer) -> None:
        serving.unload(server, self._name, self._deadline(), permit=self._files.confirm)

    def _let_go_if_served(self, server: InferenceServer) -> None:
        if server.ready_versions(str(self._name)):
            self._let_go(server)

    def _heal_with_tiny_model(self, server: InferenceServer) -> None:
        healing.heal_with_tiny_model(
            server,
            self._name,
            self._journal.coming,
            self._deadline(),
            was_ready=self._journal.was_ready,
            permit=self._files.confirm,
        )

    def _deadline(self) -> Deadline:
        return self._around.deadline()


def unready_remark(urls: Collection[str], name: DeploymentName, failed: frozenset[int]) -> str:
    """Return what to say of servers that a failed load left unready."""
    several = len(urls) > 1
    return (
        f"But {listed(sorted(urls))} {'report themselves' if several else 'reports itself'} not "
        f"ready since then (/v2/health/ready), until a model '{name}' loads as version "
        f"{', '.join(map(str, sorted(failed)))} or Triton restarts; "
        f"{'they go' if several else 'it goes'} on serving "
        f"{'their' if several else 'its'} other models."
    )


def _urls(server: InferenceServer | None) -> frozenset[str]:
    return frozenset(one.url for one in server.servers()) if server is not None else frozenset()
