"""Which tensors go to a server through shared memory, and what is done where that fails.

A request goes by the wire, whole, where its tensors are small, where the server is on another
machine, in a container, of another user or too old, where no memory is left to share; and once more
where the server refused it for its shared memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from triton_deploy_core.clock import Clock, Deadline, SystemClock
from triton_deploy_core.datatypes import datatype_of
from triton_deploy_core.errors import DeployError, ModelNotServedError, RequestRefusedError
from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestedOutput
from triton_deploy_transport._infer_request import InferRequest, Place
from triton_deploy_transport._output_sizes import SeenOutputs
from triton_deploy_transport._region_pool import RegionPool
from triton_deploy_transport._same_machine import is_this_machine
from triton_deploy_transport._tensor_bytes import write_into

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.in_flight import Pending
    from triton_deploy_core.ports.model_server import ModelMetadata
    from triton_deploy_core.ports.request_options import RequestOptions
    from triton_deploy_transport._region_pool import RegionServer
    from triton_deploy_transport._server_url import ServerUrl
    from triton_deploy_transport._shared_region import Region

Outputs: TypeAlias = "Mapping[str, NDArray[np.generic]]"
Send: TypeAlias = Callable[[InferRequest, float], Outputs]
Begin: TypeAlias = "Callable[[InferRequest, float], Pending[Outputs]]"

LEAST_BYTES = 1 << 19
"""From this size on, a tensor takes less time through shared memory: see benchmarks/README.md."""
_ALIGNMENT = 64
_REST_SECONDS = 60.0
_SHORT_REST_SECONDS = 1.0
_CONTROL_SECONDS = 5.0
_LEAST_SECONDS = 0.001
_UNKNOWN_REGION = re.compile(r"unable to find (system )?shared memory region", re.IGNORECASE)
_TOO_SMALL = re.compile(r"shared memory size specified with the request", re.IGNORECASE)
_UNKNOWN_OUTPUT = re.compile(r"unexpected inference output", re.IGNORECASE)
_ANY_OF_OURS = re.compile(r"shared[ _]memory", re.IGNORECASE)


class SharedTensors:
    """Requests to one server, with large tensors of numbers in shared memory where that can be.

    Safe for several threads.

    Args:
        server: shares memory, if it can.
        address: where it is.
        metadata: asks what a model gives.
        enabled: whether shared memory is used at all.
        clock: by which rests and deadlines are measured.
        least_bytes: smaller tensors go by the wire.
    """

    def __init__(
        self,
        server: RegionServer,
        address: ServerUrl,
        *,
        metadata: Callable[[str], ModelMetadata],
        enabled: bool = True,
        clock: Clock | None = None,
        least_bytes: int = LEAST_BYTES,
    ) -> None:
        self._pool = RegionPool(server)
        self._server = server
        self._address = address.host, address.port
        self._metadata = metadata
        self._clock = clock or SystemClock()
        self._least = least_bytes
        self._seen = SeenOutputs(least_bytes)
        self._rests_until = 0.0 if enabled else math.inf
        self._is_allowed = False

    def infer(self, request: InferRequest, send: Send, *, timeout: float) -> Outputs:
        """Return the answer to a request.

        Args:
            request: with arrays only, none of them placed yet.
            send: sends one, placed or not, and returns its answer in so many seconds.
            timeout: seconds, for all that is done.
        """
        if not self._is_concerned(request):
            answer = send(request, timeout)
            self._seen.notice(request, answer)
            return answer
        return self.begin(request, partial(_NotYetSent, send), timeout=timeout).result()

    def begin(self, request: InferRequest, begin: Begin, *, timeout: float) -> Pending[Outputs]:
        """Send a request without waiting for its answer: see `infer`."""
        if not self._is_concerned(request):
            return _ByWire(request, begin(request, timeout), self._seen)
        deadline = Deadline.after(timeout, self._clock)
        attempt = self._placed(request, deadline) if self._may_be_used(deadline) else None
        if attempt is None:
            return _ByWire(request, begin(request, deadline.remaining()), self._seen)
        placed, region = attempt
        try:
            pending = begin(placed, deadline.remaining())
        except BaseException:
            self._pool.lose(region)
            raise
        return _Shared(self, request, placed, region, pending, begin, deadline)

    def close(self) -> None:
        """Let go of the memory."""
        self._pool.close()

    def _is_concerned(self, request: InferRequest) -> bool:
        if self._rests_until and self._clock.monotonic() < self._rests_until:
            return False
        return self._seen.are_large(request.name) or any(
            array.nbytes >= self._least for array in request.inputs.values()
        )

    def _may_be_used(self, deadline: Deadline) -> bool:
        if not self._is_allowed:
            try:
                self._is_allowed = is_this_machine(
                    *self._address
                ) and self._server.supports_regions(timeout=_limit(deadline))
            except DeployError:
                self._is_allowed = False
            if not self._is_allowed:
                self.rest(_REST_SECONDS)
        return self._is_allowed

    def _placed(
        self, request: InferRequest, deadline: Deadline
    ) -> tuple[InferRequest, Region] | None:
        """Return a request as it is with its large tensors in shared memory, if any can be."""
        inputs = {
            name: array.nbytes for name, array in request.inputs.items() if self._is_large(array)
        }
        try:
            options, outputs = self._outputs(request)
            size = sum(map(_aligned, (*inputs.values(), *outputs.values())))
            region = self._pool.lend(size, timeout=_limit(deadline)) if size else None
        except (OSError, DeployError):
            self.rest(_REST_SECONDS)
            return None
        if region is None:
            return None
        places = _laid_out(region, [*inputs.values(), *outputs.values()])
        input_places = dict(zip(inputs, places, strict=False))
        try:
            for name, place in input_places.items():
                write_into(place.memory, request.inputs[name])
        except BaseException:  # an interrupt: copying takes its time
            self._pool.give_back(region)
            raise
        output_places = dict(zip(outputs, places[len(inputs) :], strict=True))
        placed = replace(
            request, options=options, input_places=input_places, output_places=output_places
        )
        return placed, region

    def _is_large(self, array: NDArray[np.generic]) -> bool:
        if array.nbytes < self._least:
            return False
        try:
            return datatype_of(array) != "BYTES"
        except ValueError:  # which is said where it is sent
            return False

    def _outputs(self, request: InferRequest) -> tuple[RequestOptions | None, Mapping[str, int]]:
        """Return the options that name all outputs, and the sizes of those that get a place.

        A step of a sequence gets none: it must not be done twice, where a size does not suffice.
        """
        known = self._seen.of(request)
        options = request.options or NO_OPTIONS
        if known is None or options.sequence is not None:
            return request.options, {}
        if options.outputs:
            classified = options.classified
            return options, {
                output.name: known.sizes[output.name]
                for output in options.outputs
                if output.name in known.sizes and output.name not in classified
            }
        if options.version is not None:  # the metadata may be another version's
            return request.options, {}
        if not known.names:
            known.names = self._names(request)
        asked = tuple(RequestedOutput(name) for name in sorted(known.names))
        return replace(options, outputs=asked), {
            name: size for name, size in known.sizes.items() if name in known.names
        }

    def _names(self, request: InferRequest) -> frozenset[str]:
        return frozenset(spec.name for spec in self._metadata(request.name).outputs)

    def is_whole(self, request: InferRequest, placed: InferRequest) -> bool:
        """Tell whether an answer to a placed request has all that the model answers with.

        The outputs had to be named. Since then, the model may have become one with others.
        """
        if not placed.output_places or placed.options is request.options:
            return True
        known = self._seen.of(request)
        if known is not None and known.names == self._names(request):
            return True
        self._seen.forget(request)
        return False

    def is_to_blame(self, request: InferRequest, reason: str, deadline: Deadline) -> bool:
        """Tell whether a request was refused for its shared memory, and learn from it."""
        if _TOO_SMALL.search(reason):
            known = self._seen.of(request)
            if known is not None:
                known.surprises += 1
        elif _UNKNOWN_REGION.search(reason):  # the server was restarted, or there are several
            self.rest(_SHORT_REST_SECONDS)
            with suppress(DeployError):
                self._pool.drop_unknown(timeout=_limit(deadline))
        elif _UNKNOWN_OUTPUT.search(reason):
            self._seen.forget(request)
        elif _ANY_OF_OURS.search(reason):
            self.rest(_REST_SECONDS)
        else:
            return False
        return True

    def rest(self, seconds: float) -> None:
        """Send everything by the wire for a while, then ask the server again."""
        self._is_allowed = False
        self._rests_until = self._clock.monotonic() + seconds

    def return_region(self, region: Region, *, unused: bool) -> None:
        """Take a region of a request: unused once the server has answered."""
        (self._pool.give_back if unused else self._pool.lose)(region)

    def notice(self, request: InferRequest, answer: Outputs) -> None:
        """Remember how large an answer was."""
        self._seen.notice(request, answer)


@dataclass(frozen=True, slots=True)
class _NotYetSent:
    send: Send
    request: InferRequest
    timeout: float

    def result(self) -> Outputs:
        return self.send(self.request, self.timeout)

    def cancel(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True, slots=True)
class _ByWire:
    request: InferRequest
    pending: Pending[Outputs]
    seen: SeenOutputs

    def result(self) -> Outputs:
        answer = self.pending.result()
        self.seen.notice(self.request, answer)
        return answer

    def cancel(self) -> None:
        self.pending.cancel()


@dataclass(frozen=True, slots=True)
class _Shared:
    shared: SharedTensors
    request: InferRequest
    placed: InferRequest
    region: Region
    pending: Pending[Outputs]
    begin: Begin
    deadline: Deadline

    def result(self) -> Outputs:
        try:
            answer = self.pending.result()
        except (RequestRefusedError, ModelNotServedError) as error:
            self.shared.return_region(self.region, unused=True)
            reason = error.reason if isinstance(error, RequestRefusedError) else ""
            if not self.shared.is_to_blame(self.request, reason, self.deadline):
                raise
        except BaseException:
            self.shared.return_region(self.region, unused=False)
            raise
        else:
            self.shared.return_region(self.region, unused=True)
            if self.shared.is_whole(self.request, self.placed):
                self.shared.notice(self.request, answer)
                return answer
        left = max(self.deadline.remaining(), _LEAST_SECONDS)
        answer = self.begin(self.request, left).result()
        self.shared.notice(self.request, answer)
        return answer

    def cancel(self) -> None:
        self.pending.cancel()
        self.shared.return_region(self.region, unused=False)


def _laid_out(region: Region, sizes: Sequence[int]) -> list[Place]:
    places = []
    offset = 0
    for size in sizes:
        places.append(Place(region.name, offset, region.memory[offset : offset + size]))
        offset += _aligned(size)
    return places


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _limit(deadline: Deadline) -> float:
    """Return what asking for memory may take: most of the time is for the request itself."""
    return max(min(deadline.remaining() / 4, _CONTROL_SECONDS), _LEAST_SECONDS)
