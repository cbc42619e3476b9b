"""The errors for a server that can't be reached, whichever protocol it is spoken to by."""

from __future__ import annotations

from triton_deploy_core.errors import ServerTimeoutError, ServerUnreachableError

_CHECK_URL = "Start the server or correct the URL"


def refused(url: str) -> ServerUnreachableError:
    """Return the error for a port at which nothing listens."""
    return no_connection(url, "connection refused, nothing listens there")


def unresolved(url: str) -> ServerUnreachableError:
    """Return the error for a host whose name nobody knows."""
    return ServerUnreachableError(
        f"no connection to Triton at {url}: the host's name can't be resolved. Correct the URL"
    )


def no_connection(url: str, why: str) -> ServerUnreachableError:
    """Return the error for a connection that did not come about, for the reason given."""
    return ServerUnreachableError(f"no connection to Triton at {url}: {why}. {_CHECK_URL}")


def no_answer(url: str, timeout: float) -> ServerTimeoutError:
    """Return the error for a call that was not over after `timeout` seconds."""
    return ServerTimeoutError(
        f"Triton at {url} did not answer within {timeout:g} s: "
        "see whether the server hangs or is overloaded, or allow more time"
    )
