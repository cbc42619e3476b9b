"""Several requests under way at once, their answers in the order of the requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

from triton_deploy_core.errors import DeployError

_Request = TypeVar("_Request")
_Answer_co = TypeVar("_Answer_co", covariant=True)


class Pending(Protocol[_Answer_co]):
    """A request that was sent."""

    def result(self) -> _Answer_co:
        """Wait for the answer."""
        ...

    def cancel(self) -> None:
        """Wait for nothing more of it."""
        ...


def in_order(
    requests: Iterable[_Request],
    begin: Callable[[_Request], Pending[_Answer_co]],
    *,
    in_flight: int,
) -> Generator[_Answer_co, None, None]:
    """Yield the answers to requests, of which at most `in_flight` are under way.

    A failure is raised in its turn, after the answers to all requests before it; what is still
    under way then is cancelled.
    """
    pending: deque[Pending[_Answer_co]] = deque()
    failure: DeployError | None = None
    try:
        for request in requests:
            if len(pending) >= in_flight:
                yield pending.popleft().result()
            try:
                pending.append(begin(request))
            except DeployError as error:
                failure = error
                break
        while pending:
            yield pending.popleft().result()
        if failure is not None:
            raise failure
    finally:
        for unread in pending:
            unread.cancel()
