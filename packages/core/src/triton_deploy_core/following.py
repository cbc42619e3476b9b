"""A load that outlives its request: followed to its end, and called what it was.

A proxy may cut a request that takes long, and the load goes on without it. What Triton 2.51 was
seen to tell of it then: its index has a new version as LOADING until it is READY or UNAVAILABLE.
Of a version that is loaded again in its place it tells nothing. But a second request waits for the
end of the first and finds nothing more to do, so that one is sent, after a pause that doubles: each
that waits takes one of the few threads that the server has for HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence

from triton_deploy_core.clock import POLL_SECONDS, Deadline
from triton_deploy_core.errors import (
    LoadFailedError,
    LoadTimeoutError,
    NotTritonError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import IndexEntry, InferenceServer, ModelState

_REQUESTS = 6
_SILENT_POLLS = 6
# What a proxy, or a connection that breaks, makes of a load that goes on behind it.
_ANSWER_LOST = (ServerUnreachableError, ServerTimeoutError, NotTritonError)


def load_to_its_end(
    server: InferenceServer, name: DeploymentName, serves: frozenset[int], deadline: Deadline
) -> None:
    """Load what the repository holds under a name, even if the answer to that gets lost.

    Args:
        server: the server.
        name: the model.
        serves: the versions that should come up; empty where that is not known.
        deadline: when to give up.

    Raises:
        LoadFailedError: Triton refused.
        LoadTimeoutError: it was still loading at the deadline.
    """
    for attempt in range(_REQUESTS):
        began = deadline.clock.monotonic()
        lost = _send(server, name, deadline)
        if lost is None or _Followed(server, name, serves).ended_well(deadline):
            return
        if deadline.passed:
            raise _still_loading(server, name) from lost
        if attempt == _REQUESTS - 1:
            raise lost
        took = max(POLL_SECONDS, deadline.clock.monotonic() - began)
        deadline.clock.sleep(min(took * 2**attempt, deadline.remaining()))


def _send(server: InferenceServer, name: DeploymentName, deadline: Deadline) -> ServerError | None:
    """Request a load; return the error where there was no answer."""
    try:
        server.load(str(name), timeout=deadline.remaining())
    except LoadTimeoutError:
        raise
    except _ANSWER_LOST as error:
        return error
    return None


class _Followed:
    """A load whose answer was lost."""

    def __init__(
        self, server: InferenceServer, name: DeploymentName, serves: frozenset[int]
    ) -> None:
        self._server = server
        self._name = name
        self._serves = serves
        self._seen = False
        self._silent = 0
        self._rows: Sequence[IndexEntry] = ()

    def ended_well(self, deadline: Deadline) -> bool:
        """Wait for its end; False where there was no sign of it.

        Raises:
            LoadFailedError: it ended badly.
            LoadTimeoutError: it had not ended at the deadline.
        """
        if not deadline.wait_for(self._is_over):
            raise _still_loading(self._server, self._name)
        failed = [row for row in self._rows if row.state is ModelState.UNAVAILABLE and row.reason]
        if self._serves:
            failed = [row for row in failed if row.version in self._serves]
        elif any(row.state is ModelState.READY for row in self._rows):
            failed = []
        if self._seen and failed:
            reason = "; ".join(f"version {row.version}: {row.reason.strip()}" for row in failed)
            raise LoadFailedError(
                f"{self._server.url} could not load '{self._name}': {reason}.", reason=reason
            )
        return self._seen

    def _is_over(self) -> bool:
        try:
            rows = self._server.index()
        except _ANSWER_LOST:
            # It may have got to the very thread that is busy with the load.
            self._silent += 1
            if self._silent == _SILENT_POLLS:
                raise
            return False
        self._silent = 0
        self._rows = [row for row in rows if row.name == str(self._name)]
        is_loading = any(row.state is ModelState.LOADING for row in self._rows)
        self._seen = self._seen or is_loading
        return not is_loading


def _still_loading(server: InferenceServer, name: DeploymentName) -> LoadTimeoutError:
    return LoadTimeoutError(
        f"{server.url} was still loading '{name}' at the deadline: it may yet succeed or fail. "
        "See the server's log, or allow more time (timeout)."
    )
