"""The port to what answers requests to models: a server, or whatever spreads them over several."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.ports.request_options import RequestOptions


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or an output: `shape` has -1 where any size goes, the batch dimension included."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a served model takes and gives. `versions` are those that are ready now, ascending."""

    name: str
    versions: tuple[int, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class ModelServer(Protocol):
    """What predictions need of a server, or of several.

    All methods may be called from several threads. No call waits for ever: `timeout` is in
    seconds, and calls without one have a finite limit that the adapter was given. Every method
    may raise `ServerUnreachableError`, `ServerTimeoutError`, `NotTritonError` or
    `RequestRefusedError`, and no error of the library behind the adapter.
    """

    @property
    def url(self) -> str:
        """The server as its user wrote it, fit for messages: it holds no secret."""
        ...

    @property
    def streams(self) -> bool:
        """Whether `infer_stream` can be used: whether the protocol has streams of answers."""
        ...

    def metadata(self, name: str) -> ModelMetadata:
        """Return what a model takes and gives.

        Raises:
            ModelNotServedError: no version of it is ready.
        """
        ...

    def config(self, name: str) -> Mapping[str, Any]:
        """Return the configuration in force, as the server's JSON has it.

        Raises:
            ModelNotServedError: no version of it is ready.
        """
        ...

    def infer(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Mapping[str, NDArray[np.generic]]:
        """Run one request on a version: the one of `options`, or the server's choice.

        Args:
            name: the model.
            inputs: name → array in the model's own shape and dtype, the batch dimension included.
                BYTES are object arrays of `bytes`.
            timeout: seconds.
            options: what else the request says.

        Returns:
            Every output, or those of `options`, name → array; BYTES are object arrays of `bytes`.

        Raises:
            ModelNotServedError: no version of it is ready, or not the one that is asked for.
            RequestRefusedError: the server refused the request, or the model failed on it; among
                others: the model is decoupled, see `infer_stream`.
            InvalidRequestError: classes of an output of BYTES are asked for, which would end a
                Triton (2.51: it crashes).
        """
        ...

    def infer_many(
        self,
        name: str,
        requests: Iterable[Mapping[str, NDArray[np.generic]]],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """Run requests, several under way at once, and yield the answers in their order.

        Requests are taken from `requests` as there is room for them, so neither all requests nor
        all answers are in memory at once. Closing the iterator begins none of the rest; what is
        under way is cancelled, or left to its end.

        Args:
            name: the model.
            requests: the inputs of each, as `infer` takes them.
            timeout: seconds that each may take from its being sent.
            in_flight: how many may be under way.
            options: what else each of them says.

        Raises:
            DeployError: what `infer` would have raised for the request whose turn it is: as many
                before it were answered as were yielded. Those after it: as after closing.
        """
        ...

    def infer_stream(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """Run one request and yield the answers of the model as they come: none, one or many.

        A model that is not decoupled answers once. Answers are taken from the server as they are
        asked for, so a slow taker has few of them in memory. Closing the iterator cancels the
        request, which the model may see. Several streams may be open at once.

        Args:
            name: the model.
            inputs: as `infer` takes them.
            timeout: seconds until the first answer, from one to the next, and from the last to
                the end. The time between, in which nobody asks for an answer, does not count.
            options: what else the request says.

        Raises:
            InvalidRequestError: the protocol has no streams (`streams` is False).
            DeployError: what `infer` would have raised, after the answers before it. The request is
                cancelled then, and no more answers come.
        """
        ...

    def close(self) -> None:
        """Let go of connections. The instance is not used afterwards."""
        ...
