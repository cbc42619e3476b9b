"""Regions of shared memory that one server has open, used again and again."""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from triton_deploy_core.errors import DeployError, RequestRefusedError
from triton_deploy_transport._shared_region import (
    PAGE,
    Region,
    is_abandoned,
    remove_abandoned_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT_BYTES = 1 << 30
"""How much memory a pool has at most."""
_CONTROL_SECONDS = 2.0


class RegionServer(Protocol):
    """What a server does with regions: Triton's ``docs/protocol/extension_shared_memory.md``.

    Every method raises `DeployError` where it is not done: `RequestRefusedError` where the server
    said so.
    """

    def supports_regions(self, *, timeout: float) -> bool:
        """Tell whether it takes any, and keeps those that a request is using when told not to."""
        ...

    def register(self, region: Region, *, timeout: float) -> None:
        """Have the server open a region."""
        ...

    def unregister(self, name: str, *, timeout: float) -> None:
        """Have it let go of one; an unknown one is no error. Refused while a request uses it."""
        ...

    def registered(self, *, timeout: float) -> Sequence[str]:
        """Return the names of all that are open."""
        ...


@dataclass(slots=True)
class _Kept:
    """What a pool has and nobody uses: `free` can be used, `lost` the server may still use."""

    free: list[Region] = field(default_factory=list)
    lost: list[Region] = field(default_factory=list)
    process: int = field(default_factory=os.getpid)


class RegionPool:
    """Regions that a server has open, lent for a request each. Safe for several threads.

    They are let go of by `close`, when nobody has the pool any more, and when the process ends.
    What a process that was killed has left on the server is let go of by the next one's pool.

    Args:
        server: whom the regions are shared with.
        limit: how many bytes all regions together may have.
    """

    def __init__(self, server: RegionServer, *, limit: int = LIMIT_BYTES) -> None:
        self._server = server
        self._limit = limit
        self._lock = threading.Lock()
        self._known: set[Region] = set()
        self._coming = 0  # bytes of regions that are being made
        self._kept = _Kept()
        weakref.finalize(self, _let_go_of_all, server, self._kept)

    def lend(self, size: int, *, timeout: float) -> Region | None:
        """Return a region of at least so many bytes, or None where the limit leaves no room.

        Raises:
            OSError: the system has no more memory to share, or none at all.
            DeployError: the server did not open it.
        """
        wanted = _rounded(size)
        with self._lock:
            self._leave_what_a_parent_has()
            fitting = [region for region in self._kept.free if region.size >= wanted]
            if fitting:
                found = min(fitting, key=lambda region: region.size)
                self._kept.free.remove(found)
                return found
            first = not self._known
            dropped, has_room = self._make_room(wanted)
            self._coming += wanted if has_room else 0
        self._let_go(dropped)
        if not has_room:
            return None
        try:
            if first:
                self._remove_abandoned(timeout)
            region = self._made(wanted, timeout)
            with self._lock:
                self._known.add(region)
            return region
        finally:
            with self._lock:
                self._coming -= wanted

    def give_back(self, region: Region) -> None:
        """Take a region that the server does not use any more."""
        with self._lock:
            if region in self._known:
                self._kept.free.append(region)
                return
        region.close()

    def lose(self, region: Region) -> None:
        """Take a region that the server may still use, since its answer was not awaited."""
        with self._lock:
            if region in self._known:
                self._kept.lost.append(region)
                return
        region.close()

    def drop_unknown(self, *, timeout: float) -> None:
        """Let go of unused regions that the server does not have, since it was started anew.

        Raises:
            DeployError: the server did not tell.
        """
        with self._lock:
            asked_about = set(self._kept.free)
        registered = set(self._server.registered(timeout=timeout))
        with self._lock:
            # One that was opened and came back meanwhile is not in the answer, yet there.
            gone = [
                region
                for region in self._kept.free
                if region in asked_about and region.name not in registered
            ]
            self._kept.free[:] = [region for region in self._kept.free if region not in gone]
            self._known.difference_update(gone)
        for region in gone:
            region.close()

    def close(self) -> None:
        """Let go of everything that no request uses now."""
        with self._lock:
            self._leave_what_a_parent_has()
            unused = [*self._kept.free, *self._kept.lost]
            self._kept.free.clear()
            self._kept.lost.clear()
        self._let_go(unused)

    def _make_room(self, wanted: int) -> tuple[list[Region], bool]:
        """Take out those that have to go, and those that the server may have done with by now.

        Tell also whether there is room then.
        """
        dropped, self._kept.lost[:] = [*self._kept.lost], []
        excess = sum(region.size for region in self._known) + self._coming + wanted - self._limit
        if excess > sum(region.size for region in self._kept.free):
            return dropped, False
        while excess > 0:
            oldest = self._kept.free.pop(0)
            excess -= oldest.size
            dropped.append(oldest)
        return dropped, True

    def _made(self, size: int, timeout: float) -> Region:
        region = Region(size)
        try:
            self._server.register(region, timeout=timeout)
        except BaseException:
            region.close()
            raise
        region.hide()
        try:
            region.reserve()
        except BaseException:
            self._let_go([region])
            raise
        return region

    def _let_go(self, regions: Sequence[Region]) -> None:
        still_used = _let_go(self._server, regions)
        with self._lock:
            self._kept.lost += still_used
            self._known.difference_update(set(regions).difference(still_used))

    def _remove_abandoned(self, timeout: float) -> None:
        remove_abandoned_names()
        for name in self._server.registered(timeout=timeout):
            if is_abandoned(name):
                try:
                    self._server.unregister(name, timeout=timeout)
                except RequestRefusedError:  # a request of its time still runs
                    continue

    def _leave_what_a_parent_has(self) -> None:
        """After a fork, the regions are the parent's, though this process has them open, too."""
        if self._kept.process != os.getpid():
            self._kept.free.clear()
            self._kept.lost.clear()
            self._known.clear()
            self._kept.process = os.getpid()


def _let_go_of_all(server: RegionServer, kept: _Kept) -> None:
    if kept.process == os.getpid():
        _let_go(server, [*kept.free, *kept.lost])


def _let_go(server: RegionServer, regions: Iterable[Region]) -> list[Region]:
    """Let go of regions, and return those that the server still uses."""
    still_used = []
    answers = True
    for region in regions:
        try:
            if answers:
                server.unregister(region.name, timeout=_CONTROL_SECONDS)
        except RequestRefusedError:
            still_used.append(region)
            continue
        except DeployError:
            answers = False  # nor will it for the others
        region.close()
    return still_used


def _rounded(size: int) -> int:
    """Return a size up to a seventh larger, so that requests of similar sizes use one region."""
    step = max(PAGE, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step
