"""Servers as requests see them: how many requests each has now, and whether it rests.

A server that can't be reached rests, and so does one that does not serve a model, or a version of
it, as far as that goes: from half a second to half a minute, twice as long each time. After a rest
one request finds out whether it is over; the others still go elsewhere.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from triton_deploy_core.clock import Clock
from triton_deploy_core.fleet.errand import Errand
from triton_deploy_core.ports.server import InferenceServer

FIRST_REST_SECONDS = 0.5
LONGEST_REST_SECONDS = 30.0
ALL_MODELS = ""


@dataclass(slots=True)
class _Rest:
    """How often a server failed without a success in between, and how long it rests for that."""

    failures: int = 0
    until: float = 0.0

    def begin(self, now: float) -> None:
        seconds = FIRST_REST_SECONDS * 2 ** min(self.failures, 16)
        self.until = now + min(seconds, LONGEST_REST_SECONDS)


@dataclass(slots=True, eq=False)
class Lane:
    """One server. `Lanes` keeps what is known of it."""

    server: InferenceServer
    in_flight: int = 0
    rests: dict[str, _Rest] = field(default_factory=dict)

    def until(self, *keys: str) -> float:
        """Return when all rests of these kinds are over."""
        return max((self.rests[key].until for key in keys if key in self.rests), default=0.0)


class Lanes:
    """The servers that requests may go to. Safe for several threads."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._lanes: dict[InferenceServer, Lane] = {}

    def go_on_with(self, servers: Sequence[InferenceServer]) -> None:
        """Send requests to these from now on; what is known of those that stay is kept."""
        with self._lock:
            before = self._lanes
            self._lanes = {one: before.get(one) or Lane(one) for one in servers}
            gone = [lane for one, lane in before.items() if one not in self._lanes]
            idle = [lane for lane in gone if not lane.in_flight]
        for lane in idle:
            lane.server.close()

    def next(self, errand: Errand, *, last_resort: bool) -> Lane | None:
        """Return the server for a request: of two at random, the one with fewer requests.

        Args:
            errand: the request.
            last_resort: whether servers that could not be reached are asked before their rest is
                over, where no other is left; the one whose rest is over first.
        """
        with self._lock:
            left = self._left(errand)
            awake = self._awake(left, errand.kind)
            if awake:
                two = self._chance.sample(awake, min(2, len(awake)))
                return self._taken(min(two, key=lambda lane: lane.in_flight), errand.kind)
            now = self._clock.monotonic()
            rest = [lane for lane in left if last_resort or lane.until(ALL_MODELS) <= now]
            if not rest:
                return None
            soonest = min(rest, key=lambda lane: lane.until(ALL_MODELS, errand.kind))
            return self._taken(soonest, errand.kind)

    def first(self, errand: Errand, order: Callable[[str], bytes]) -> Lane | None:
        """Return the first server by an order of their URLs, one that rests only if all do."""
        with self._lock:
            left = self._left(errand)
            usable = self._awake(left, errand.kind) or left
            if not usable:
                return None
            return self._taken(min(usable, key=lambda lane: order(lane.server.url)), errand.kind)

    def at(self, url: str, errand: Errand) -> Lane | None:
        """Return the server with a URL, whether it rests or not; None where it is gone."""
        with self._lock:
            found = [lane for one, lane in self._lanes.items() if one.url == url]
            return self._taken(found[0], errand.kind) if found else None

    def servers(self) -> Sequence[InferenceServer]:
        """Return all servers."""
        with self._lock:
            return tuple(self._lanes)

    @contextmanager
    def request(self, lane: Lane) -> Iterator[None]:
        """Hold the place in a lane that was returned for a request, until that is over."""
        try:
            yield
        finally:
            with self._lock:
                lane.in_flight -= 1
                left = not lane.in_flight and lane.server not in self._lanes
            if left:
                lane.server.close()

    def rest(self, lane: Lane, kind: str) -> None:
        """Let a server rest: for requests of one kind (`Errand.kind`), or for `ALL_MODELS`."""
        with self._lock:
            rest = lane.rests.setdefault(kind, _Rest())
            rest.begin(self._clock.monotonic())
            rest.failures += 1

    def well(self, lane: Lane, kind: str) -> None:
        """Note that a server answered a request of a kind: its rests for that are over."""
        if lane.rests:
            with self._lock:
                lane.rests.pop(ALL_MODELS, None)
                lane.rests.pop(kind, None)

    def _left(self, errand: Errand) -> list[Lane]:
        return [lane for one, lane in self._lanes.items() if errand.may_go_to(one)]

    def _awake(self, lanes: Sequence[Lane], kind: str) -> list[Lane]:
        now = self._clock.monotonic()
        return [lane for lane in lanes if lane.until(ALL_MODELS, kind) <= now]

    def _taken(self, lane: Lane, kind: str) -> Lane:
        lane.in_flight += 1
        for each in (ALL_MODELS, kind):
            # Whether its rest is over, this request finds out: not all others at the same time.
            if each in lane.rests:
                lane.rests[each].begin(self._clock.monotonic())
        return lane
