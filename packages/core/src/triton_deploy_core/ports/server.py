"""The port to an inference server that speaks the KServe v2 protocol with Triton's extensions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeVar

from triton_deploy_core.errors import ServerError
from triton_deploy_core.ports.model_server import ModelServer

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


class InferenceServer(ModelServer, Protocol):
    """One inference server, or several that are told the same (`fleet.Fleet`).

    What `ModelServer` says of threads, time-outs and errors holds for all its methods.
    """

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

    def statistics(self, name: str) -> Sequence[VersionStatistics]:
        """Return the statistics of every ready version of a model, by version, ascending.

        A request may be counted shortly after it was answered (seen on Triton 2.51).

        Raises:
            ModelNotServedError: no version of it is ready.
        """
        ...
