"""What the service asks of the server, each to its end and never beyond a deadline."""

from __future__ import annotations

from collections.abc import Callable

from triton_deploy_core.clock import Deadline
from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    NotSettledError,
    RequestRefusedError,
    ServerError,
)
from triton_deploy_core.following import load_to_its_end
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import InferenceServer, ModelState

Permit = Callable[[], None]
"""Called right before each load or unload request; raises if the request must not be sent.

`Lease.confirm` is one: see the commit protocol, ADR 2.
"""


def always() -> None:
    """Permit everything, for callers that write nothing and load what the repository holds."""


# Triton answers an unload of a name that nobody has with success, and touches nothing.
NO_MODEL = "triton-deploy.is-this-server-in-explicit-mode"
"""The name that `require_control` asks about."""
# What Triton says of a directory that is not there, and of one whose configuration is no good.
_NOT_READ = "failed to poll from model repository"
_BUSY = frozenset({ModelState.LOADING, ModelState.UNLOADING})


def require_control(server: InferenceServer, deadline: Deadline) -> InferenceServer:
    """Make sure that every server answers and takes load requests, changing nothing.

    Returns:
        What stands for those that do: see `InferenceServer.on_each`.

    Raises:
        ServerError: one does not answer, or not like Triton.
        ControlModeError: one is not in EXPLICIT mode.
    """
    return server.on_each(lambda one: _require_control(one, deadline))


def _require_control(server: InferenceServer, deadline: Deadline) -> None:
    server.is_live()  # a server that hangs shows within a request's time, not only within a load's
    try:
        server.unload(NO_MODEL, timeout=deadline.remaining())
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
    server: InferenceServer,
    name: DeploymentName,
    serves: frozenset[int],
    deadline: Deadline,
    *,
    permit: Permit = always,
) -> InferenceServer:
    """Load what the repository holds under a name and see that just these versions serve.

    Args:
        server: the server; several load as their owner wants, see `InferenceServer.roll_out`.
        name: the model.
        serves: the versions.
        deadline: each server has as long as there is until then now, from when it is its turn.
        permit: called before each request.

    Returns:
        What stands for the servers that serve: see `InferenceServer.on_each`.

    Raises:
        LoadFailedError: Triton refused, or serves something else afterwards.
        LoadTimeoutError: it was still loading at the deadline.
    """
    seconds = deadline.remaining()

    def own_deadline() -> Deadline:
        return Deadline.after(seconds, deadline.clock)

    def load_it(one: InferenceServer) -> None:
        permit()
        load_one(one, name, serves, own_deadline())

    return server.roll_out(load_it, settle=lambda one: wait_for_one(one, name, own_deadline()))


def load_one(
    server: InferenceServer, name: DeploymentName, serves: frozenset[int], deadline: Deadline
) -> None:
    """Load on one server: see `load`."""
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


def load_again(
    server: InferenceServer, name: DeploymentName, deadline: Deadline, *, permit: Permit
) -> None:
    """Load on every server what the repository holds under a name, whatever that is.

    Raises:
        LoadFailedError: Triton refused.
        LoadTimeoutError: it was still loading at the deadline.
    """

    def load_it(one: InferenceServer) -> None:
        permit()
        load_to_its_end(one, name, frozenset(), deadline)

    server.on_each(load_it)


def _sees(server: InferenceServer, name: DeploymentName) -> bool:
    """Tell whether a directory of that name is in what the server takes for its repository."""
    try:
        return any(row.name == str(name) for row in server.index())
    except ServerError:
        return True  # nobody knows


def unload(
    server: InferenceServer, name: DeploymentName, deadline: Deadline, *, permit: Permit
) -> InferenceServer:
    """Unload a name and wait until every server has let go of it.

    `permit` is called before each request.

    Returns:
        What stands for the servers that have: see `InferenceServer.on_each`.

    Raises:
        NotSettledError: one had not at the deadline.
    """

    def let_go(one: InferenceServer) -> None:
        permit()
        one.unload(str(name), timeout=deadline.remaining())
        wait_for_one(one, name, deadline)

    return server.on_each(let_go)


def unload_where_served(
    server: InferenceServer, name: DeploymentName, deadline: Deadline, *, permit: Permit
) -> frozenset[str]:
    """Unload a name from those servers that serve it; return their URLs. See `unload`.

    Raises:
        NotSettledError: one had not let go of it at the deadline.
    """
    told = server.ask_each(lambda one: bool(one.ready_versions(str(name))))
    # One that can't tell is asked to let go, which says of it what is the matter.
    urls = frozenset(url for url, serves in told.items() if serves)
    part = server.part(urls)
    if part is not None:
        unload(part, name, deadline, permit=permit)
    return urls


def unload_without_files(
    server: InferenceServer, name: DeploymentName, deadline: Deadline, *, permit: Permit
) -> bool:
    """Unload a name whose directory is gone; tell whether one server served it.

    The index does not show such a name: readiness tells when it is gone, where nothing else keeps
    the server unready.
    """
    if not server.ready_versions(str(name)):
        return False
    was_ready = server.is_ready()
    permit()
    server.unload(str(name), timeout=deadline.remaining())
    gone = server.is_ready if was_ready else lambda: not server.ready_versions(str(name))
    if not deadline.wait_for(gone):
        raise NotSettledError(
            f"{server.url} was still unloading '{name}' at the deadline. Try again, with a longer "
            "timeout if requests keep the model busy."
        )
    return True


def wait_until_quiet(
    server: InferenceServer, name: DeploymentName, deadline: Deadline
) -> InferenceServer:
    """Wait until no version of a name is on its way up or down on any server.

    Returns:
        What stands for the servers that are quiet: see `InferenceServer.on_each`.

    Raises:
        NotSettledError: one still was not at the deadline.
    """
    return server.on_each(lambda one: wait_for_one(one, name, deadline))


def wait_for_one(server: InferenceServer, name: DeploymentName, deadline: Deadline) -> None:
    """Wait for one server: see `wait_until_quiet`."""

    def quiet() -> bool:
        # The index is slow on object stores; a server that is ready has nothing under way.
        if server.is_ready():
            return True
        return not any(row.name == str(name) and row.state in _BUSY for row in server.index())

    if not deadline.wait_for(quiet):
        raise NotSettledError(
            f"{server.url} was still loading or unloading '{name}' at the deadline. "
            "Try again, with a longer timeout if requests keep the model busy."
        )
