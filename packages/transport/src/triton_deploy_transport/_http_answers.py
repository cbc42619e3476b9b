"""What an answer of the server means: its JSON, or the error that its status and words say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    ModelNotServedError,
    NotTritonError,
    RequestRefusedError,
)
from triton_deploy_transport._one_line import without_traceback

if TYPE_CHECKING:
    from triton_deploy_transport._http_client import Reply

_DENIED = {401, 403, 407, 429}
_NOT_EXPLICIT = re.compile(r"explicit model load ?/ ?unload is not allowed", re.IGNORECASE)
# Triton's words differ by release and by request: a model is unknown and "is not found", or it "has
# no available versions", or a version "is not at ready state"; statistics: it "is not available".
_NOT_SERVED = re.compile(
    r"unknown model|no available versions|is not available|not at ready state", re.IGNORECASE
)
_NOT_POLLED = "failed to poll from model repository"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says no: its status and the server's own words."""

    status: int
    reason: str

    @property
    def shown(self) -> str:
        """The reason on one line, without the Python traceback that it may end with."""
        return without_traceback(self.reason)


def accepted(reply: Reply, url: str) -> bool:
    """Tell whether a request was done, False where the server refused it in the protocol's words.

    Raises:
        NotTritonError: nothing that speaks the protocol sent this.
        RequestRefusedError: something before the server asks for a permission.
    """
    if 200 <= reply.status < 300:  # noqa: PLR2004 (that is what success means in HTTP)
        return True
    if _words(reply) is not None:
        return False
    if reply.status in _DENIED:
        status = _status(reply.status)
        message = f"{url} asks for a permission that the request has not ({status})"
        raise RequestRefusedError(message, reason=status)
    raise not_triton(reply, url)


def refusal(reply: Reply) -> Refusal:
    """Return why the server refused, given that it did."""
    return Refusal(reply.status, _words(reply) or _status(reply.status))


def not_triton(reply: Reply, url: str) -> NotTritonError:
    """Return the error for an answer that Triton would not have sent."""
    status = _status(reply.status)
    if 300 <= reply.status < 400:  # noqa: PLR2004 (redirections)
        what = f"a redirection ({status}), which is not followed"
    elif bytes(reply.body[:256]).lstrip().startswith(b"<"):
        what = f"a web page ({status})"
    elif not reply.body:
        what = f"an empty answer ({status})"
    else:
        what = f"something else than the KServe v2 protocol ({status})"
    return NotTritonError(
        f"{url} answered with {what}: give the URL of Triton's HTTP port (8000 unless set "
        "otherwise); a proxy may also answer like that when no server is behind it"
    )


def refuse_load(answer: Refusal, *, name: str, url: str, verb: str) -> NoReturn:
    """Raise the error for a load or unload that was refused.

    Raises:
        ControlModeError: the server isn't in EXPLICIT mode.
        LoadFailedError: the model can't be loaded.
        RequestRefusedError: the server takes no such requests.
    """
    if _NOT_EXPLICIT.search(answer.reason):
        message = (
            f"Triton at {url} takes no requests to {verb} models: "
            "start it with --model-control-mode=explicit"
        )
        raise ControlModeError(message)
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        message = (
            f"{url} knows no request to {verb} models ({answer.shown}): give the URL of Triton's "
            "HTTP port (8000 unless set otherwise), not that of metrics or of another server"
        )
        raise RequestRefusedError(message, reason=answer.reason)
    if answer.status in _DENIED:
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


def refuse_model_request(answer: Refusal, *, name: str, doing: str, url: str) -> NoReturn:
    """Raise the error for a request about one model that was refused.

    Raises:
        ModelNotServedError: no version of it is ready.
        RequestRefusedError: for anything else.
    """
    if _NOT_SERVED.search(answer.reason):
        message = (
            f"Triton at {url} does not serve model {name!r} now ({answer.shown}): "
            "deploy it, or see in the server's log why it does not"
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


def _words(reply: Reply) -> str | None:
    try:
        answer = reply.json()
    except ValueError:
        return None
    words = answer.get("error") if isinstance(answer, dict) else None
    return words if isinstance(words, str) else None


def _status(code: int) -> str:
    try:
        return f"HTTP {code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"HTTP {code}"
