"""Which server of a fleet a request goes to: the first that serves the model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.errors import ServerUnreachableError
from triton_deploy_core.fleet.member import Member
from triton_deploy_core.fleet.rounds import first_answer
from triton_deploy_core.ports.request_options import RequestOptions
from triton_deploy_core.ports.server import InferenceServer

Inputs = Mapping[str, NDArray[np.generic]]
Outputs = Mapping[str, NDArray[np.generic]]
_T = TypeVar("_T")


class Spreading:
    """Sends requests to the members of a fleet. Safe for several threads."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._servers = [member.server for member in members if member.takes_requests]

    def infer(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None
    ) -> Outputs:
        """See `InferenceServer.infer`."""
        return self._first(
            lambda server: server.infer(name, inputs, timeout=timeout, options=options)
        )

    def infer_many(
        self,
        name: str,
        requests: Iterable[Inputs],
        *,
        timeout: float,
        in_flight: int,
        options: RequestOptions | None,
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_many`. All go to the server that takes the first of them."""
        remaining = iter(requests)
        first = next(remaining, None)
        if first is None:
            return
        server = self._first(lambda one: (one.metadata(name), one)[1])
        yield from server.infer_many(
            name, chain([first], remaining), timeout=timeout, in_flight=in_flight, options=options
        )

    def infer_stream(
        self, name: str, inputs: Inputs, *, timeout: float, options: RequestOptions | None
    ) -> Generator[Outputs, None, None]:
        """See `InferenceServer.infer_stream`. Servers with streams go before others."""
        server = self._first(lambda one: (one.metadata(name), one)[1], streams=True)
        yield from server.infer_stream(name, inputs, timeout=timeout, options=options)

    def _first(self, ask: Callable[[InferenceServer], _T], *, streams: bool = False) -> _T:
        if not self._servers:
            raise ServerUnreachableError("No server of the fleet takes requests now. Try again.")
        able = [server for server in self._servers if server.streams] if streams else []
        return first_answer(ask, able or self._servers)
