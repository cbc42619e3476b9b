"""What several servers said, as one error: the worst of it, and on how many servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from triton_deploy_core.errors import (
    LoadFailedError,
    LoadTimeoutError,
    NotTritonError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)

NO_ANSWER = (ServerUnreachableError, ServerTimeoutError, NotTritonError)
"""What a server that is not there, hangs, or has a broken proxy before it makes of any call."""

_NAMED = 5


def merged(failures: Mapping[str, ServerError], *, servers: int) -> ServerError:
    """Return one error for what some of so many servers raised.

    It is of the kind that matters most: what a server refused, then a load that outlived its
    deadline, then any other answer, then servers that do not answer. Its words are those of the
    first server of that kind.

    Args:
        failures: URL → error; not empty.
        servers: how many were asked.
    """
    ranked = sorted(failures.values(), key=_rank)
    worst = ranked[0]
    if servers == 1:
        return worst
    alike = [url for url, error in failures.items() if _rank(error) == _rank(worst)]
    others = [url for url in failures if url not in alike]
    text = f"So it went on {len(alike)} of {servers} servers: {listed(alike)}."
    if others:
        text += f" No answer that could be used came from {listed(others)}."
    worst.amend(text)
    worst.failures = dict(failures)
    return worst


def listed(urls: Iterable[str]) -> str:
    """Return URLs for a message: the first few, and how many more."""
    found = list(urls)
    named = ", ".join(found[:_NAMED])
    more = len(found) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def _rank(error: ServerError) -> int:
    if isinstance(error, LoadFailedError):
        return 0
    if isinstance(error, LoadTimeoutError):
        return 1
    return 3 if isinstance(error, NO_ANSWER) else 2
