"""What a refusal of Triton means, whichever protocol it came by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    LoadTimeoutError,
    ModelNotServedError,
    RequestRefusedError,
)
from triton_deploy_transport._one_line import without_traceback

_NOT_EXPLICIT = re.compile(r"explicit model load ?/ ?unload is not allowed", re.IGNORECASE)
# Triton's words differ by release and by request: a model is unknown and "is not found", or it "has
# no available versions", or a version "is not at ready state"; statistics: it "is not available". A
# server that is going says that it "has stopped accepting new inference requests", one that comes
# that it is "not ready".
_NOT_SERVED = re.compile(
    r"unknown model|no available versions|is not available|not at ready state"
    r"|stopped accepting new inference requests|^server not ready",
    re.IGNORECASE,
)
_NOT_POLLED = "failed to poll from model repository"


class Cause(Enum):
    """What a status says, beyond that something was refused."""

    REQUEST = auto()
    """the request, or what the server made of it"""
    PERMISSION = auto()
    """who asked, or how often"""
    UNKNOWN_METHOD = auto()
    """the server knows no such requests at all"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says no: why, and in the server's own words."""

    cause: Cause
    reason: str

    @property
    def shown(self) -> str:
        """The reason on one line, without the Python traceback that it may end with."""
        return without_traceback(self.reason)


def refuse_load(answer: Refusal, *, name: str, url: str, verb: str) -> NoReturn:
    """Raise the error for a load or unload that was refused.

    Raises:
        ControlModeError: the server isn't in EXPLICIT mode.
        LoadFailedError: the model can't be loaded.
        RequestRefusedError: the server takes no such requests, or not from everybody.
    """
    if _NOT_EXPLICIT.search(answer.reason):
        message = (
            f"Triton at {url} takes no requests to load or unload models: "
            "start it with --model-control-mode=explicit"
        )
        raise ControlModeError(message)
    if answer.cause is Cause.UNKNOWN_METHOD:
        message = (
            f"{url} knows no request to {verb} models ({answer.shown}): give the URL of Triton's "
            "HTTP port (8000 unless set otherwise), not that of metrics or of another server"
        )
        raise RequestRefusedError(message, reason=answer.reason)
    if answer.cause is Cause.PERMISSION:
        raise_refused(answer, doing=f"to {verb} model {name!r}", url=url)
    hint = ""
    if _NOT_POLLED in answer.reason:
        hint = (
            ". The model's directory is missing where the server looks, or its config.pbtxt is "
            "not valid: the server's log says which; see also whether the server reads this "
            "same model repository"
        )
    message = f"Triton at {url} could not {verb} model {name!r}: {answer.shown}{hint}"
    raise LoadFailedError(message, reason=answer.reason)


def still_loading(name: str, *, url: str, timeout: float) -> LoadTimeoutError:
    """Return the error for a load that outlived its deadline."""
    return LoadTimeoutError(
        f"Triton at {url} was still loading model {name!r} after {timeout:g} s: it "
        "may yet succeed or fail; see the server's log, or allow more time"
    )


def refuse_model_request(answer: Refusal, *, name: str, doing: str, url: str) -> NoReturn:
    """Raise the error for a request about one model that was refused.

    Raises:
        ModelNotServedError: no version of it is ready.
        RequestRefusedError: for anything else.
    """
    if _NOT_SERVED.search(answer.reason):
        message = (
            f"Triton at {url} does not serve model {name!r} now ({answer.shown}): "
            "deploy it, or ask for another version; if it is deployed, repair it, which loads it, "
            "or see the server's log"
        )
        raise ModelNotServedError(message)
    raise_refused(answer, doing=doing, url=url)


def raise_refused(answer: Refusal, *, doing: str, url: str) -> NoReturn:
    """Raise the error for any other refused request.

    Raises:
        RequestRefusedError: always.
    """
    message = f"Triton at {url} refused {doing}: {answer.shown}"
    raise RequestRefusedError(message, reason=answer.reason)


def no_permission(url: str, status: str) -> RequestRefusedError:
    """Return the error for something before the server that lets nobody pass without a pass."""
    return RequestRefusedError(
        f"{url} asks for a permission that the request has not ({status}): "
        "give the token or the headers that it wants",
        reason=status,
    )
