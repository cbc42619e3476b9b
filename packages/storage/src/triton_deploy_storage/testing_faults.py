"""What a fault sweep needs of a store behind a `FaultProxy`, and the rules that it goes by.

To sweep is to let every request of an operation meet every fault. Requests come one after another
(one worker), so an operation makes the same ones each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from triton_deploy_core.ports.store import BlobStore
from triton_deploy_storage.testing_proxy import Fault, FaultProxy, Request


class FaultSite(Protocol):
    """A repository that is reached through a proxy, and around it."""

    @property
    def proxy(self) -> FaultProxy:
        """The proxy before the service."""
        ...

    @property
    def store(self) -> BlobStore:
        """The store to test, behind the proxy. It waits by a fake clock and has one worker."""
        ...

    @property
    def hasty(self) -> BlobStore:
        """Such a store by which no library makes a request a second time."""
        ...

    @property
    def direct(self) -> BlobStore:
        """A store of the same repository without the proxy."""
        ...

    @property
    def faults(self) -> Sequence[Fault]:
        """Faults of one request each, which the library gets over by asking again."""
        ...

    @property
    def refusals(self) -> Sequence[Fault]:
        """Faults that `hasty` meets: one of a kind that is told, and one that leaves it open."""
        ...

    def seed(self, files: Mapping[str, bytes]) -> None:
        """Make these all files that there are, around the adapter."""
        ...

    def snapshot(self) -> dict[str, bytes]:
        """Return all files, around the adapter; fail if an upload is left unfinished."""
        ...


class Staying:
    """A rule: a fault for the n-th request that a predicate picks, as long as it is repeated.

    Args:
        fault: what happens.
        nth: counted from 1.
        when: picks requests; all of them if left out.
    """

    def __init__(
        self, fault: Fault, *, nth: int = 1, when: Callable[[Request], bool] = lambda _: True
    ) -> None:
        self._fault = fault
        self._nth = nth
        self._when = when
        self._seen = 0
        self._is_over = False
        self.hit: list[Request] = []

    def __call__(self, request: Request) -> Fault | None:
        """Return the fault if it is this request's turn, or its again."""
        if self.hit:
            self._is_over |= _same(request) != _same(self.hit[0])
        elif self._when(request):
            self._seen += 1
        if self._is_over or self._seen < self._nth:
            return None
        self.hit.append(request)
        return self._fault

    def next(self) -> Staying:
        """Return the rule for the request after the one that this rule is for."""
        return Staying(self._fault, nth=self._nth + 1, when=self._when)


def _same(request: Request) -> tuple[str, str, str]:
    """Return what does not tell which of two libraries makes a request."""
    query = "&".join(part for part in request.query.split("&") if not part.startswith("x-id="))
    return request.method, request.path, query.replace("delete=", "delete")


class EveryRequestOnce:
    """A rule: each request meets a fault when it is made first, and passes when made again.

    Args:
        faults: the first request meets the one at `start`, each other one the next, in turn.
        start: index of the first fault.
        when: the requests that are meant.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        start: int,
        when: Callable[[Request], bool] = lambda _: True,
    ) -> None:
        self._faults = faults
        self._next = start
        self._when = when
        self._broken: Request | None = None
        self.hit: list[Request] = []

    def __call__(self, request: Request) -> Fault | None:
        """Return the fault if the request before was another one."""
        broken, self._broken = self._broken, None
        if request == broken or not self._when(request):
            return None
        fault = self._faults[self._next % len(self._faults)]
        self._next += 1
        self._broken = request
        self.hit.append(request)
        return fault
