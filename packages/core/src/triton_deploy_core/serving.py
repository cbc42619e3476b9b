"""What the service asks of the server, each to its end and never beyond a deadline."""

from __future__ import annotations

from collections.abc import Sequence

from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    LoadTimeoutError,
    NotTritonError,
    RequestRefusedError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import IndexEntry, InferenceServer, ModelState

# Triton answers an unload of a name that nobody has with success, and touches nothing.
_NOBODY = "triton-deploy.is-this-server-in-explicit-mode"
# What Triton says of a directory that is not there, and of one whose configuration is no good.
_NOT_READ = "failed to poll from model repository"
_LOAD_REQUESTS = 3
# What a proxy, or a connection that breaks, makes of a load that goes on behind it.
_ANSWER_LOST = (ServerUnreachableError, ServerTimeoutError, NotTritonError)
_BUSY = frozenset({ModelState.LOADING, ModelState.UNLOADING})


def require_control(server: InferenceServer, deadline: Deadline) -> None:
    """Make sure that the server answers and takes load requests, changing nothing.

    Raises:
        ServerError: it does not answer, or not like Triton.
        ControlModeError: it is not in EXPLICIT mode.
    """
    server.is_live()  # a server that hangs shows within a request's time, not only within a load's
    try:
        server.unload(_NOBODY, timeout=deadline.remaining())
    except LoadFailedError as error:
        raise ControlModeError(
            f"{server.url} does not take load requests: {error.reason}. "
            "Start Triton with --model-control-mode=explicit."
        ) from error
    except RequestRefusedError as error:
        raise RequestRefusedError(
            f"{server.url} answers, but refuses requests to load or unload a model: "
            f"{error.reason}. Check that the address is Triton's own (its HTTP port, not the one "
            "for metrics), and what a proxy in between lets through.",
            reason=error.reason,
        ) from error


def load(
    server: InferenceServer, name: DeploymentName, serves: frozenset[int], deadline: Deadline
) -> None:
    """Load what the repository holds under a name and see that just these versions serve.

    Raises:
        LoadFailedError: Triton refused, or serves something else afterwards.
        LoadTimeoutError: it was still loading at the deadline.
    """
    try:
        load_to_its_end(server, name, serves, deadline)
    except LoadFailedError as error:
        if _NOT_READ in error.reason and not _sees(server, name):
            error.amend(
                f"{server.url} does not see '{name}' at all. Compare TRITON_MODEL_REPO with the "
                "--model-repository that the server was started with; on an object store also "
                "endpoint, bucket and prefix, and whether the server's own credentials may list "
                "and read them."
            )
        raise
    ready = server.ready_versions(str(name))
    if not serves <= ready:
        missing = ", ".join(str(version) for version in sorted(serves - ready))
        raise LoadFailedError(
            f"{server.url} accepted to load '{name}' but does not serve its version {missing}. "
            "Does it read from the same model repository that TRITON_MODEL_REPO names?",
            reason=f"version {missing} is not served after a load that succeeded",
        )


def _sees(server: InferenceServer, name: DeploymentName) -> bool:
    """Tell whether a directory of that name is in what the server takes for its repository."""
    try:
        return any(row.name == str(name) for row in server.index())
    except ServerError:
        return True  # nobody knows


def load_to_its_end(
    server: InferenceServer, name: DeploymentName, serves: frozenset[int], deadline: Deadline
) -> None:
    """Load what the repository holds under a name, even if the answer to that gets lost.

    A proxy may cut a request that takes long; the load goes on without it. Then the server's index
    tells how it ends. Where it tells of no load at all, the request is sent again.

    Args:
        server: the server.
        name: the model.
        serves: the versions that should come up; empty where that is not known.
        deadline: when to give up.

    Raises:
        LoadFailedError: Triton refused.
        LoadTimeoutError: it was still loading at the deadline.
    """
    for _ in range(_LOAD_REQUESTS - 1):
        if _is_answered(server, name, deadline) or _ended_well(server, name, serves, deadline):
            return
    server.load(str(name), timeout=deadline.remaining())


def _is_answered(server: InferenceServer, name: DeploymentName, deadline: Deadline) -> bool:
    try:
        server.load(str(name), timeout=deadline.remaining())
    except LoadTimeoutError:
        raise
    except _ANSWER_LOST:
        return False
    return True


def _ended_well(
    server: InferenceServer, name: DeploymentName, serves: frozenset[int], deadline: Deadline
) -> bool:
    """Follow a load whose answer was lost; False where there was no sign of one.

    Raises:
        LoadFailedError: it ended badly.
        LoadTimeoutError: it had not ended at the deadline.
    """
    seen = False
    rows: Sequence[IndexEntry] = ()

    def over() -> bool:
        nonlocal seen, rows
        rows = [row for row in server.index() if row.name == str(name)]
        loading = any(row.state is ModelState.LOADING for row in rows)
        seen = seen or loading
        return not loading

    if not deadline.wait_for(over):
        raise LoadTimeoutError(
            f"{server.url} was still loading '{name}' at the deadline: it may yet succeed or "
            "fail. See the server's log, or allow more time."
        )
    failed = [row for row in rows if row.state is ModelState.UNAVAILABLE and row.reason]
    if serves:
        failed = [row for row in failed if row.version in serves]
    elif any(row.state is ModelState.READY for row in rows):
        failed = []
    if seen and failed:
        reason = "; ".join(f"version {row.version}: {row.reason.strip()}" for row in failed)
        raise LoadFailedError(f"{server.url} could not load '{name}': {reason}.", reason=reason)
    return seen


def unload(server: InferenceServer, name: DeploymentName, deadline: Deadline) -> None:
    """Unload a name and wait until the server has let go of it.

    Raises:
        ServerTimeoutError: it had not at the deadline.
    """
    server.unload(str(name), timeout=deadline.remaining())
    wait_until_quiet(server, name, deadline)


def wait_until_quiet(server: InferenceServer, name: DeploymentName, deadline: Deadline) -> None:
    """Wait until no version of a name is on its way up or down.

    Raises:
        ServerTimeoutError: one still was at the deadline.
    """

    def quiet() -> bool:
        # The index is slow on object stores; a server that is ready has nothing under way.
        if server.is_ready():
            return True
        return not any(row.name == str(name) and row.state in _BUSY for row in server.index())

    if not deadline.wait_for(quiet):
        raise ServerTimeoutError(
            f"{server.url} was still loading or unloading '{name}' at the deadline. "
            "Try again, with a longer timeout if requests keep the model busy."
        )
