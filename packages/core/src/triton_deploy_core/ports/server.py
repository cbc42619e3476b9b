"""The port to an inference server that speaks the KServe v2 protocol with Triton's extensions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.errors import ServerError
from triton_deploy_core.ports.request_options import RequestOptions

_T = TypeVar("_T")


class ModelState(Enum):
    """The states that Triton gives a model version in its repository index."""

    UNKNOWN = "UNKNOWN"
    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One row of Triton's repository index.

    `version` is None and `state` UNKNOWN for a model that was never loaded.
    """

    name: str
    version: int | None
    state: ModelState
    reason: str = ""


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


@dataclass(frozen=True, slots=True)
class VersionStatistics:
    """Inference statistics of one version since it was loaded. Times are in nanoseconds."""

    name: str
    version: int
    inference_count: int
    execution_count: int
    success_count: int
    fail_count: int
    queue_ns: int
    compute_ns: int


@dataclass(frozen=True, slots=True)
class LoadOverride:
    """A model sent inside the load call instead of being read from the repository.

    Attributes:
        config: the model configuration as JSON-ready data.
        files: path inside the model's directory → content.
    """

    config: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


class InferenceServer(Protocol):
    """One inference server, or several that are told the same (`fleet.Fleet`).

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

    def servers(self) -> Sequence[InferenceServer]:
        """Return the servers that this one stands for: itself alone where it is one."""
        ...

    def matching(self, patterns: Iterable[str]) -> frozenset[str]:
        """Return the URLs of those of its servers that a pattern matches.

        Args:
            patterns: as of `fnmatch`, in any case; matched with each server's URL, its host, and
                what else it is called (a pod's name, say).
        """
        ...

    def part(self, urls: Collection[str]) -> InferenceServer | None:
        """Return what stands for those of its servers that have these URLs; None for none.

        Connections are shared: the part is not closed.
        """
        ...

    def ask_each(self, question: Callable[[InferenceServer], _T]) -> Mapping[str, _T | ServerError]:
        """Do something with each of its servers, all at once, whatever becomes of the others.

        Args:
            question: called with one server at a time, from several threads.

        Returns:
            By URL, what it returned, or the `ServerError` that it raised. Any other error is
            raised.
        """
        ...

    def on_each(self, act: Callable[[InferenceServer], None]) -> InferenceServer:
        """Do something with each of its servers, all at once.

        Args:
            act: called with one server at a time, from several threads.

        Returns:
            What stands for the servers on which it was done: itself, unless the caller agreed to
            go on without servers that do not answer; see `left_behind` then.

        Raises:
            ServerError: it failed on a server; `failures` says on which ones and why.
        """
        ...

    def roll_out(
        self,
        act: Callable[[InferenceServer], None],
        *,
        settle: Callable[[InferenceServer], None],
    ) -> InferenceServer:
        """Do something with each of its servers, as many at a time as their owner wants.

        Args:
            act: see `on_each`. None begins after one has failed.
            settle: what a server has to get over before it is another one's turn; called where
                they take turns.

        Returns:
            See `on_each`.

        Raises:
            ServerError: see `on_each`.
        """
        ...

    def left_behind(self) -> Mapping[str, str]:
        """Return the URLs of servers that were left out since they do not answer, and why."""
        ...

    def is_live(self) -> bool:
        """Tell whether the server answers requests."""
        ...

    def is_ready(self) -> bool:
        """Tell what ``/v2/health/ready`` says: all that should be served is served."""
        ...

    def index(self) -> Sequence[IndexEntry]:
        """Return the repository index: slow on object stores, so not for common paths."""
        ...

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """Load or reload a model and return when it serves.

        The server reads the model's directory again. Versions that the configuration makes
        visible come up before others go down. With `override` the model is the one given.

        Raises:
            LoadFailedError: Triton could not load it; versions served before still are.
            LoadTimeoutError: it was still loading after `timeout` seconds.
            ControlModeError: the server is not in EXPLICIT mode.
        """
        ...

    def unload(self, name: str, *, timeout: float) -> None:
        """Begin to unload a model. A model that is not loaded, or unknown, is no error.

        It is not over when this returns: see `index` and `is_ready`.

        Raises:
            ControlModeError: the server is not in EXPLICIT mode.
        """
        ...

    def ready_versions(self, name: str) -> frozenset[int]:
        """Return the versions of a model that are ready: empty for an unknown model."""
        ...

    def loaded(self) -> frozenset[tuple[str, int]]:
        """Return every model and version that is ready, in one call that touches no storage."""
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
        all answers are in memory at once. Closing the iterator cancels what is under way.

        Args:
            name: the model.
            requests: the inputs of each, as `infer` takes them.
            timeout: seconds that each may take from its being sent.
            in_flight: how many may be under way.
            options: what else each of them says.

        Raises:
            DeployError: what `infer` would have raised for the request whose turn it is: as many
                before it were answered as were yielded. Those after it are cancelled.
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

    def statistics(self, name: str) -> Sequence[VersionStatistics]:
        """Return the statistics of every ready version of a model, by version, ascending.

        A request may be counted shortly after it was answered (seen on Triton 2.51).

        Raises:
            ModelNotServedError: no version of it is ready.
        """
        ...

    def close(self) -> None:
        """Let go of connections. The instance is not used afterwards."""
        ...
