"""Which server of a fleet a request goes to, and when it may go to another one.

A request goes to another server where that is safe: no connection could be made, or the server says
that it does not serve the model. Where it was sent and its answer was lost, it may have been done.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.clock import Clock, Deadline, SystemClock
from triton_deploy_core.errors import (
    AnswerLostError,
    ModelNotServedError,
    ServerError,
    ServerUnreachableError,
)
from triton_deploy_core.failures import NO_ANSWER, listed
from triton_deploy_core.fleet.errand import Errand
from triton_deploy_core.fleet.lanes import ALL_MODELS, Lane, Lanes
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.membership import Membership
from triton_deploy_core.fleet.sequences import Sequences
from triton_deploy_core.fleet.workers import Workers
from triton_deploy_core.in_flight import in_order
from triton_deploy_core.ports.model_server import ModelMetadata
from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestOptions, SequenceStep
from triton_deploy_core.ports.server import InferenceServer

Inputs = Mapping[str, NDArray[np.generic]]
Outputs = Mapping[str, NDArray[np.generic]]
_T = TypeVar("_T")
_QUESTION_SECONDS = 60.0


class Spreading:
    """Sends requests to the members of a fleet. Safe for several threads.

    Those that take no requests get some only where no member takes any.

    Args:
        members: those that are known once and for all, or who they are now.
        clock: what time it is.
        chance: chooses among servers.
    """

    def __init__(
        self,
        members: Membership | Sequence[Member],
        *,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        known = members if isinstance(members, Membership) else Membership.fixed(members)
        self._clock = clock or SystemClock()
        self._membership = known
        self._members: Sequence[Member] = ()
        self._changing = threading.Lock()
        self._lanes = Lanes(self._clock, chance or random.Random())  # noqa: S311 (no secret)
        self._sequences = Sequences()
        self._go_on()

    @property
    def url(self) -> str:
        """The servers, fit for messages."""
        return listed(member.url for member in self._members)

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        return self.send(name, lambda server: server.metadata(name), timeout=_QUESTION_SECONDS)

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        return self.send(name, lambda server: server.config(name), timeout=_QUESTION_SECONDS)

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`: whether any member has them."""
        return any(server.streams for server in self._lanes.servers())

    def infer(
        self,
        name: str,
        inputs: Inputs,
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Outputs:
        """See `InferenceServer.infer`."""

        def ask(server: InferenceServer) -> Outputs:
            return server.infer(name, inputs, timeout=timeout, options=options)

        return self.send(name, ask, timeout=timeout, options=options)

    def infer_many(
        self,
        name: str,
        requests: Iterable[Inputs],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_many`: each goes to a server of its own choice.

        Those of a sequence go to its server, one after another.
        """

        def ask(inputs: Inputs) -> Outputs:
            return self.infer(name, inputs, timeout=timeout, options=options)

        at_once = in_flight if options is None or options.sequence is None else 1
        with closing(Workers(ask, at_most=at_once)) as workers:
            yield from in_order(requests, workers.begin, in_flight=at_once)

    def infer_stream(
        self,
        name: str,
        inputs: Inputs,
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_stream`: a server that has streams answers all of it.

        Another server is asked as long as that is safe and no answer came.
        """

        def begin(server: InferenceServer) -> tuple[Outputs | None, Generator[Outputs, None, None]]:
            answers = server.infer_stream(name, inputs, timeout=timeout, options=options)
            return next(answers, None), answers

        sent = self._sent(name, begin, timeout=timeout, options=options, in_stream=True)
        with sent as (first, rest), closing(rest):
            if first is not None:
                yield first
                yield from rest

    def close(self) -> None:
        """Let go of all servers' connections."""
        for server in self._lanes.servers():
            server.close()

    def send(
        self,
        name: str,
        ask: Callable[[InferenceServer], _T],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> _T:
        """Have a server answer a request for a model.

        Args:
            name: the model.
            ask: sends the request to a server.
            timeout: seconds after which no further server is tried.
            options: the request's. A server that does not serve their version is left out for
                that version. A request of a sequence that is not its first goes where the
                sequence is, and nowhere else.

        Raises:
            ModelNotServedError: none of the servers that answer serves the model.
            AnswerLostError: a server was sent the request, but what came of it is unknown.
            ServerUnreachableError: no server could be reached.
            ServerError: what the server that was asked raised.
        """
        with self._sent(name, ask, timeout=timeout, options=options) as answer:
            return answer

    @contextmanager
    def _sent(
        self,
        name: str,
        ask: Callable[[InferenceServer], _T],
        *,
        timeout: float,
        options: RequestOptions | None,
        in_stream: bool = False,
    ) -> Iterator[_T]:
        """Have a server answer, see `send`. Inside, the server is still busy with it."""
        deadline = Deadline.after(timeout, self._clock)
        self._go_on()
        # Where nobody has streams, any server says so.
        errand = Errand(name, options or NO_OPTIONS, in_stream=in_stream and self.streams)
        while True:
            lane = None if errand.tried and deadline.passed else self._lane(errand)
            if lane is None:
                raise errand.failure()
            try:
                answer, place = self._asked(lane, errand, ask)
            except (ModelNotServedError, ServerUnreachableError) as error:
                if isinstance(error, AnswerLostError) or errand.goes_on:
                    raise
                errand.tried[lane.server] = error
                continue
            with place:
                if errand.step is not None:
                    self._sequences.note(name, errand.step, lane.server.url)
                yield answer
            return

    def _asked(
        self, lane: Lane, errand: Errand, ask: Callable[[InferenceServer], _T]
    ) -> tuple[_T, ExitStack]:
        """Return a server's answer, and what is to be left when no more of it is wanted."""
        with ExitStack() as place:
            place.enter_context(self._lanes.request(lane))
            place.enter_context(self._noted(lane, errand))
            answer = ask(lane.server)
            self._lanes.well(lane, errand.kind)
            return answer, place.pop_all()

    @contextmanager
    def _noted(self, lane: Lane, errand: Errand) -> Iterator[None]:
        """Note of a server what its failure says of it."""
        try:
            yield
        except ModelNotServedError:
            self._lanes.well(lane, ALL_MODELS)
            self._lanes.rest(lane, errand.kind)
            raise
        except NO_ANSWER:
            self._lanes.rest(lane, ALL_MODELS)
            raise
        except ServerError:
            self._lanes.well(lane, errand.kind)
            raise

    def _lane(self, errand: Errand) -> Lane | None:
        if errand.step is not None:
            return self._lane_of_sequence(errand, errand.step)
        found = self._lanes.next(errand, last_resort=errand.nobody_answers)
        if found is None and errand.nobody_answers and self._membership.again():
            self._go_on()
            found = self._lanes.next(errand, last_resort=True)
        return found

    def _lane_of_sequence(self, errand: Errand, step: SequenceStep) -> Lane | None:
        if errand.goes_on:
            url = self._sequences.place(errand.name, step)
            found = None if url is None else self._lanes.at(url, errand)
            if found is not None:
                return found
        return self._lanes.first(errand, self._sequences.order(errand.name, step))

    def _go_on(self) -> None:
        """Send requests to the members as they are now.

        Several threads may find that these are others; none goes back to what it found before.
        """
        self._membership.now()
        if self._membership.known is self._members:
            return
        with self._changing:
            members = self._membership.known
            if members is self._members:
                return
            self._members = members
            ready = [member.server for member in members if member.takes_requests]
            self._lanes.go_on_with(ready or [member.server for member in members])
