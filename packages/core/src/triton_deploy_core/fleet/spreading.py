"""Which server of a fleet a request goes to, and when it may go to another one.

A request goes to another server where that is safe: no connection could be made, or the server says
that it does not serve the model. Where it was sent and its answer was lost, it may have been done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
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
from triton_deploy_core.failures import NO_ANSWER, merged
from triton_deploy_core.fleet.lanes import ALL_MODELS, Lane, Lanes
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.membership import Membership
from triton_deploy_core.fleet.sequences import Sequences
from triton_deploy_core.fleet.workers import Workers
from triton_deploy_core.in_flight import in_order
from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestOptions, SequenceStep
from triton_deploy_core.ports.server import InferenceServer, ModelMetadata

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
        self._lanes = Lanes(self._clock, chance or random.Random())  # noqa: S311 (no secret)
        self._sequences = Sequences()
        self._go_on_with(known.now())

    @property
    def url(self) -> str:
        """The servers, fit for messages."""
        return ",".join(member.url for member in self._members)

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        return self.send(name, lambda server: server.metadata(name), timeout=_QUESTION_SECONDS)

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        return self.send(name, lambda server: server.config(name), timeout=_QUESTION_SECONDS)

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`: whether any server has them."""
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
        return self.send(
            name,
            lambda server: server.infer(name, inputs, timeout=timeout, options=options),
            timeout=timeout,
            options=options,
        )

    def infer_many(
        self,
        name: str,
        requests: Iterable[Inputs],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_many`: each goes to a server of its own choice."""

        def ask(inputs: Inputs) -> Outputs:
            return self.infer(name, inputs, timeout=timeout, options=options)

        with closing(Workers(ask, at_most=in_flight)) as workers:
            yield from in_order(requests, workers.begin, in_flight=in_flight)

    def infer_stream(
        self,
        name: str,
        inputs: Inputs,
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_stream`: it stays where its first answer came from."""

        def begin(
            server: InferenceServer,
        ) -> tuple[InferenceServer, Outputs | None, Generator[Outputs, None, None]]:
            answers = server.infer_stream(name, inputs, timeout=timeout, options=options)
            return server, next(answers, None), answers

        servers = self._lanes.servers()
        able = [server for server in servers if server.streams] or servers
        server, first, rest = self.send(
            name,
            begin,
            timeout=timeout,
            options=options,
            without=[server for server in servers if server not in able],
        )
        lane = self._lanes.at(server.url, name)
        with nullcontext() if lane is None else self._lanes.request(lane), closing(rest):
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
        without: Collection[InferenceServer] = (),
    ) -> _T:
        """Have a server answer a request for a model.

        Args:
            name: the model.
            ask: sends the request to a server.
            timeout: seconds after which no further server is tried.
            options: what the request says beside its inputs. One of a sequence that is not its
                first goes where the sequence is, and nowhere else.
            without: servers that are not asked.

        Raises:
            ModelNotServedError: none of the servers that answer serves the model.
            AnswerLostError: a server was sent the request, but what came of it is unknown.
            ServerUnreachableError: no server could be reached.
            ServerError: what the server that was asked raised.
        """
        options = options or NO_OPTIONS
        step = options.sequence
        # Which versions a server has is no matter for requests that do not ask for any.
        model = name if options.version is None else f"{name}/{options.version}"
        deadline = Deadline.after(timeout, self._clock)
        tried: dict[InferenceServer, ServerError] = {}
        self._go_on_with(self._membership.now())
        while True:
            out_of_time = tried and deadline.passed
            lane = None if out_of_time else self._lane(model, tried, without, step)
            if lane is None:
                failures = {server.url: error for server, error in tried.items()}
                raise merged(failures, servers=len(failures))
            try:
                answer = self._asked(lane, model, ask)
            except (ModelNotServedError, ServerUnreachableError) as error:
                stays = step is not None and not step.start
                if isinstance(error, AnswerLostError) or stays:
                    raise
                tried[lane.server] = error
            else:
                if step is not None:
                    self._sequences.note(model, step, lane.server.url)
                return answer

    def _asked(self, lane: Lane, name: str, ask: Callable[[InferenceServer], _T]) -> _T:
        with self._lanes.request(lane):
            try:
                answer = ask(lane.server)
            except ModelNotServedError:
                self._lanes.well(lane, ALL_MODELS)
                self._lanes.rest(lane, name)
                raise
            except NO_ANSWER:
                self._lanes.rest(lane, ALL_MODELS)
                raise
            except ServerError:
                self._lanes.well(lane, name)
                raise
        self._lanes.well(lane, name)
        return answer

    def _lane(
        self,
        model: str,
        tried: Mapping[InferenceServer, ServerError],
        without: Collection[InferenceServer],
        step: SequenceStep | None,
    ) -> Lane | None:
        out = {*tried, *without}
        if step is not None:
            return self._lane_of_sequence(model, out, step)
        nobody_answers = not any(isinstance(e, ModelNotServedError) for e in tried.values())
        lane = self._lanes.next(model, out, last_resort=nobody_answers)
        if lane is None and nobody_answers and self._membership.again():
            self._go_on_with(self._membership.now())
            lane = self._lanes.next(model, out, last_resort=True)
        return lane

    def _lane_of_sequence(
        self, model: str, out: Collection[InferenceServer], step: SequenceStep
    ) -> Lane | None:
        if not step.start:
            url = self._sequences.place(model, step)
            lane = None if url is None else self._lanes.at(url, model)
            if lane is not None:
                return lane
        return self._lanes.first(model, self._sequences.order(model, step), out)

    def _go_on_with(self, members: Sequence[Member]) -> None:
        if members is not self._members:
            ready = [member.server for member in members if member.takes_requests]
            self._lanes.go_on_with(ready or [member.server for member in members])
            self._members = members
