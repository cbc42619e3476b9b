"""What the service asks of the server, each to its end and never beyond a deadline."""

from __future__ import annotations

from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    RequestRefusedError,
    ServerError,
    ServerTimeoutError,
)
from triton_deploy_core.following import load_to_its_end
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import InferenceServer, ModelState

# Triton answers an unload of a name that nobody has with success, and touches nothing.
_NOBODY = "triton-deploy.is-this-server-in-explicit-mode"
# What Triton says of a directory that is not there, and of one whose configuration is no good.
_NOT_READ = "failed to poll from model repository"
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
