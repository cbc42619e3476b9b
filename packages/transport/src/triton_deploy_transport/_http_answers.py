"""What an answer of the server means: its JSON, or the error that its status and words say."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from triton_deploy_core.errors import NotTritonError
from triton_deploy_transport._refusals import Cause, Refusal, no_permission

if TYPE_CHECKING:
    from triton_deploy_transport._http_reply import Reply

_DENIED = {401, 403, 407, 429}
_UNKNOWN_METHOD = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


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
        raise no_permission(url, _status(reply.status))
    raise not_triton(reply, url)


def refusal(reply: Reply) -> Refusal:
    """Return why the server refused, given that it did."""
    cause = Cause.REQUEST
    if reply.status in _DENIED:
        cause = Cause.PERMISSION
    elif reply.status in _UNKNOWN_METHOD:
        cause = Cause.UNKNOWN_METHOD
    return Refusal(cause, _words(reply) or _status(reply.status))


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
