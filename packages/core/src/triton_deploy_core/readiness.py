"""Keeps one server out of the readiness trap: see `healing`.

What holds it there is found in the server's index, so it does not matter who loaded what failed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from triton_deploy_core.errors import DeployError, ServerUnreachableError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.patience import Patience
from triton_deploy_core.ports.server import IndexEntry, ModelState
from triton_deploy_core.repairing import OpenOperation
from triton_deploy_core.surroundings import Surroundings

_COMING_OR_GOING = frozenset({ModelState.LOADING, ModelState.UNLOADING})
_NO_FAILURE = frozenset({"", "unloaded"})


class Readiness:
    """Of one server, as far as it depends on deployments of ours."""

    def __init__(self, around: Surroundings, operation: OpenOperation) -> None:
        self._server = around.server
        self._operation = operation
        self._unhealed: Patience[bool] = Patience(around.clock)

    def is_given(self) -> bool:
        """Tell whether the server says that it is ready."""
        is_ready = self._server.is_ready()
        if is_ready:
            self._unhealed.forget(self._server.url)
        return is_ready

    def heal(self, names: Collection[DeploymentName]) -> tuple[DeploymentName, ...]:
        """Heal what failed of these names; return which were.

        Names that somebody is at work on are left alone. The index is slow on object stores:
        where this did not help, it is asked ever more seldom.
        """
        server = self._server.url
        if self._unhealed.waits(server, None):
            return ()
        rows = self._server.index()
        if any(row.state in _COMING_OR_GOING for row in rows):
            return ()  # it is too early to tell
        failed = sorted(_failed_versions(rows).items())
        healed = [name for name, versions in failed if name in names and self._try(name, versions)]
        if not self._server.is_ready():
            self._unhealed.failed(server, None, True)
        return tuple(healed)

    def _try(self, name: DeploymentName, failed: frozenset[int]) -> bool:
        try:
            with self._operation(name) as (operation, _):
                operation.heal(failed)
        except ServerUnreachableError:
            raise
        except DeployError:
            # Busy, or not to be written: what is the matter with it was reported with its load.
            return False
        return True


def _failed_versions(rows: Iterable[IndexEntry]) -> dict[DeploymentName, frozenset[int]]:
    failed: dict[DeploymentName, frozenset[int]] = {}
    for row in rows:
        is_failure = row.state is ModelState.UNAVAILABLE and row.reason not in _NO_FAILURE
        if is_failure and row.version is not None and DeploymentName.is_valid(row.name):
            name = DeploymentName(row.name)
            failed[name] = failed.get(name, frozenset()) | {row.version}
    return failed
