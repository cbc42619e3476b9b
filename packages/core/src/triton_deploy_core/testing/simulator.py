"""A Triton Inference Server in memory: `InferenceServer` on a model repository.

It reads models from a `BlobStore` when it is told to load them, and behaves as Triton 2.51
does in each point that a deployer has to get right: version policies, new versions up before
old ones down, unloading that takes its time, failed versions that keep the server unready until
*that name and version* loads, loads that hang, loads that change nothing where no file changed,
ensembles that bring up what they are made of and go down with it::

    clock = FakeClock()
    store = MemoryStore()
    server = SimulatedTriton(store, clock=clock)
    store.write("iris/config.pbtxt", b'backend: "onnxruntime"')
    store.write("iris/1/model.onnx", b"weights")
    server.load("iris", timeout=10)
    assert server.served("iris") == {1: {"1/model.onnx": b"weights"}}

What a file's first line says steers its load (``broken REASON``, ``hang``, ``slow SECONDS``; see
`simulated_content`), `before_call` and `after_call` put in faults, `calls` tells what was asked.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.classification import require_numbers
from triton_deploy_core.clock import Clock, Deadline
from triton_deploy_core.errors import (
    ControlModeError,
    InvalidRequestError,
    LoadFailedError,
    LoadTimeoutError,
    ModelNotServedError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.model_server import ModelMetadata
from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestOptions
from triton_deploy_core.ports.server import IndexEntry, LoadOverride, ModelState, VersionStatistics
from triton_deploy_core.ports.single_server import SingleServer
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.simulated_calls import CallHook, ServerCall
from triton_deploy_core.testing.simulated_config import json_config
from triton_deploy_core.testing.simulated_directory import ModelDirectory, PollFailedError
from triton_deploy_core.testing.simulated_ensemble import composing, problem
from triton_deploy_core.testing.simulated_inference import answer, batch_size, tensor_specs
from triton_deploy_core.testing.simulated_load import find_directory, prepare
from triton_deploy_core.testing.simulated_model import LoadedVersion, SimulatedModel
from triton_deploy_core.testing.simulated_requests import (
    chosen_version,
    enter_sequence,
    is_decoupled,
    refuse_decoupled,
    requested,
    require_outputs,
    rows_of,
)


class ControlMode(Enum):
    """Triton's ``--model-control-mode``. Only EXPLICIT takes loads and unloads."""

    NONE = "none"
    POLL = "poll"
    EXPLICIT = "explicit"


class SimulatedTriton(SingleServer):
    """An `InferenceServer` in memory.

    Args:
        store: the model repository.
        clock: where time comes from; a `FakeClock` of its own if left out.
        mode: EXPLICIT starts with nothing loaded, the others with all that is in the repository.
        unload_seconds: how long a version is UNLOADING.
        auto_complete: a model without ``config.pbtxt`` is served, as Triton can by default.
        config_name: ``--model-config-name``: which ``configs/<name>.pbtxt`` it reads.
        url: how it is named in messages.
        has: what models may need of a server, such as ``gpu``; see `simulated_content`.
        streams: whether its protocol has streams: False is as HTTP.

    Attributes:
        before_call: told of each call before anything happens.
        after_call: told of each call when all has happened, before the answer.
        reachable: False: every call raises `ServerUnreachableError`; the process goes on.
        stopped: True: every call waits in vain for its answer, as of a process that was stopped;
            nothing happens, and no time passes.
    """

    def __init__(
        self,
        store: BlobStore,
        *,
        clock: Clock | None = None,
        mode: ControlMode = ControlMode.EXPLICIT,
        unload_seconds: float = 1.0,
        auto_complete: bool = True,
        config_name: str | None = None,
        url: str = "simulated:8000",
        has: Collection[str] = (),
        streams: bool = True,
    ) -> None:
        self.store = store
        self.clock: Clock = FakeClock() if clock is None else clock
        self.mode = mode
        self.unload_seconds = unload_seconds
        self.auto_complete = auto_complete
        self.config_name = config_name
        self.before_call: CallHook | None = None
        self.after_call: CallHook | None = None
        self.reachable = True
        self.stopped = False
        self.has = frozenset(has)
        self._url = url
        self._streams = streams
        self._lock = threading.RLock()
        self._models: dict[str, SimulatedModel] = {}
        self._calls: list[ServerCall] = []
        self._load_counts: Counter[tuple[str, int]] = Counter()
        self._alive = True
        self._process = 0
        self.restart(load_all=mode is not ControlMode.EXPLICIT)

    # The process, and what only a test can see.

    def restart(self, *, load_all: bool = False) -> None:
        """Replace the process: all memory is forgotten, and it answers again.

        Args:
            load_all: load all directories, as ``--load-model=*`` does. A model that fails keeps the
                server unready; one that can't be polled just isn't served.
        """
        with self._lock:
            self._models = {}
            self._alive = True
            self._process += 1
            if load_all or self.mode is not ControlMode.EXPLICIT:
                for name in sorted(self.store.directories()):
                    self._load_at_start(name)
                for name in sorted(self._models):
                    self._check_at_start(name)

    def kill(self) -> None:
        """End the process as ``kill -9`` does: no call is answered before `restart`."""
        with self._lock:
            self._alive = False
            self._models = {}

    def served(self, name: str) -> dict[int, dict[str, bytes]]:
        """Return from which bytes each version that serves now was loaded.

        Per version: path inside the model's directory → content, of the files of this version and
        of those in no version, ``config.pbtxt`` left out (`config` tells what is in force).
        """
        with self._lock:
            self._advance()
            versions = self._models.get(name, SimulatedModel()).ready
            return {number: dict(loaded.files) for number, loaded in versions.items()}

    def composing(self, name: str) -> tuple[str, ...]:
        """Return the models that make up what a name serves now; none where it is no ensemble."""
        with self._lock:
            self._advance()
            model = self._models.get(name, SimulatedModel())
            return composing(model.config) if model.ready else ()

    def load_count(self, name: str, version: int | None = None) -> int:
        """Return how many times a model's versions, or one of them, were brought up so far."""
        with self._lock:
            return sum(
                count
                for (model, number), count in self._load_counts.items()
                if model == name and version in (None, number)
            )

    @property
    def calls(self) -> list[ServerCall]:
        """All calls of the port so far, in their order."""
        with self._lock:
            return list(self._calls)

    # The port.

    @property
    def url(self) -> str:
        """See `InferenceServer.url`."""
        return self._url

    @property
    def streams(self) -> bool:
        """See `InferenceServer.streams`."""
        return self._streams

    def is_live(self) -> bool:
        """See `InferenceServer.is_live`."""
        with self._call(ServerCall("is_live")):
            return True

    def is_ready(self) -> bool:
        """See `InferenceServer.is_ready`."""
        with self._call(ServerCall("is_ready")):
            return all(model.keeps_server_ready for model in self._models.values())

    def index(self) -> list[IndexEntry]:
        """See `InferenceServer.index`. It names the directories that exist now."""
        with self._call(ServerCall("index")):
            rows: list[IndexEntry] = []
            for name in sorted(self.store.directories()):
                model = self._models.get(name)
                if model is None:
                    rows.append(IndexEntry(name, None, ModelState.UNKNOWN))
                else:
                    rows.extend(model.entries(name))
            return rows

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`."""
        deadline = Deadline.after(timeout, self.clock)
        with self._call(ServerCall("load", name, override is not None)):
            self._require_explicit()
            self._wait_for_load(name, deadline)
            self._load_composing(name, override, deadline)
            failures = self._begin_load(name, override)
            self._wait_for_load(name, deadline)
            if failures:
                raise self._load_failed(name, _version_reasons(name, failures))

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`. Triton lets a load that is going on end first."""
        deadline = Deadline.after(timeout, self.clock)
        with self._call(ServerCall("unload", name)):
            self._require_explicit()
            try:
                self._wait_for_load(name, deadline)
            except LoadTimeoutError as error:
                raise ServerTimeoutError(
                    f"{self.url} did not unload '{name}' in time: it is still loading"
                ) from error
            for model in (name, *self._ensembles_of(name)):
                self._let_go(model)

    def ready_versions(self, name: str) -> frozenset[int]:
        """See `InferenceServer.ready_versions`."""
        with self._call(ServerCall("ready_versions", name)):
            return frozenset(self._models.get(name, SimulatedModel()).ready)

    def loaded(self) -> frozenset[tuple[str, int]]:
        """See `InferenceServer.loaded`."""
        with self._call(ServerCall("loaded")):
            return frozenset(
                (name, version) for name, model in self._models.items() for version in model.ready
            )

    def metadata(self, name: str) -> ModelMetadata:
        """See `InferenceServer.metadata`."""
        with self._call(ServerCall("metadata", name)):
            versions, config = self._serving(name)
            return self._metadata(name, versions, config)

    def config(self, name: str) -> Mapping[str, Any]:
        """See `InferenceServer.config`."""
        with self._call(ServerCall("config", name)):
            _, config = self._serving(name)
            return json_config(name, config)

    def infer(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Mapping[str, NDArray[np.generic]]:
        """See `InferenceServer.infer`. The answer echoes the inputs: see `simulated_inference`."""
        del timeout  # the answer takes no time
        options = options or NO_OPTIONS
        with self._call(ServerCall("infer", name, options=options)):
            _, config = self._serving(name)
            refuse_decoupled(name, config)
            loaded, outputs = self._answer(name, inputs, options)
            return requested(loaded, outputs, options)

    def infer_many(
        self,
        name: str,
        requests: Iterable[Mapping[str, NDArray[np.generic]]],
        *,
        timeout: float,
        in_flight: int = 8,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_many`. Answers take no time, so one at once is under way."""
        del in_flight
        for inputs in requests:
            yield self.infer(name, inputs, timeout=timeout, options=options)

    def infer_stream(
        self,
        name: str,
        inputs: Mapping[str, NDArray[np.generic]],
        *,
        timeout: float,
        options: RequestOptions | None = None,
    ) -> Generator[Mapping[str, NDArray[np.generic]], None, None]:
        """See `InferenceServer.infer_stream`. A decoupled model answers each row by itself."""
        del timeout  # the answers take no time
        if not self._streams:
            message = f"{self._url} has no streams: give its gRPC port, as grpc://host:8001"
            raise InvalidRequestError(message)
        options = options or NO_OPTIONS
        with self._call(ServerCall("infer_stream", name, options=options)):
            _, config = self._serving(name)
            loaded, outputs = self._answer(name, inputs, options)
        answers = rows_of(name, inputs, outputs) if is_decoupled(config) else iter([outputs])
        for found in answers:
            yield requested(loaded, found, options)

    def statistics(self, name: str) -> list[VersionStatistics]:
        """See `InferenceServer.statistics`. No time is spent on computing."""
        with self._call(ServerCall("statistics", name)):
            versions, _ = self._serving(name)
            return [
                VersionStatistics(
                    name=name,
                    version=number,
                    inference_count=loaded.counters.inferences,
                    execution_count=loaded.counters.executions,
                    success_count=loaded.counters.executions,
                    fail_count=loaded.counters.failures,
                    queue_ns=0,
                    compute_ns=0,
                )
                for number, loaded in versions.items()
            ]

    def close(self) -> None:
        """See `InferenceServer.close`: there is nothing to let go of."""

    # How it works.

    @contextmanager
    def _call(self, call: ServerCall) -> Iterator[None]:
        with self._lock:
            self._calls.append(call)
        if self.before_call is not None:
            self.before_call(call)
        with self._lock:
            self._require_reachable()
            self._require_answering(call)
            self._advance()
            yield
        if self.after_call is not None:
            self.after_call(call)

    def _require_reachable(self, process: int | None = None) -> None:
        """Fail where no answer can come: a process that was replaced meanwhile gives none."""
        replaced = process is not None and process != self._process
        if replaced or not (self._alive and self.reachable):
            raise ServerUnreachableError(f"no connection to {self.url}: is the server running?")

    def _require_answering(self, call: ServerCall) -> None:
        if self.stopped:
            kind = LoadTimeoutError if call.method == "load" else ServerTimeoutError
            raise kind(f"{self.url} did not answer in time")

    def _require_explicit(self) -> None:
        if self.mode is not ControlMode.EXPLICIT:
            raise ControlModeError(
                f"{self.url} does not take loads and unloads; "
                "start it with --model-control-mode=explicit"
            )

    def _advance(self) -> None:
        now = self.clock.monotonic()
        for model in self._models.values():
            model.advance(now, self.unload_seconds)

    def _begin_load(self, name: str, override: LoadOverride | None) -> Mapping[int, str]:
        """Begin a load and return, by version, why it is going to fail."""
        model = self._models.get(name, SimulatedModel())
        try:
            directory = self._find_directory(name, override, model)
            pending = prepare(
                self.store, name, directory, model.ready, self.clock.monotonic(), has=self.has
            )
        except PollFailedError as error:
            reason = f"failed to load '{name}', failed to poll from model repository"
            raise self._load_failed(name, reason) from error
        self._models[name] = model
        if not directory.visible:
            raise self._load_failed(
                name,
                f"load failed for model '{name}': at least one version must be available "
                f"under the version policy of model '{name}'\n",
            )
        model.remember_override(directory, override)
        self._load_counts.update((name, number) for number in pending.fresh)
        model.begin(pending)
        self._advance()
        return pending.failures

    def _find_directory(
        self, name: str, override: LoadOverride | None, model: SimulatedModel
    ) -> ModelDirectory:
        return find_directory(
            self.store,
            name,
            override,
            model,
            auto_complete=self.auto_complete,
            config_name=self.config_name,
        )

    def _load_composing(self, name: str, override: LoadOverride | None, deadline: Deadline) -> None:
        """Load what an ensemble is made of; unload the ensemble where Triton refuses it."""
        try:
            directory = self._find_directory(name, override, self._models.get(name) or _NOTHING)
        except PollFailedError:
            return  # which the load of the name itself tells
        reasons = {}
        for part in composing(directory.config):
            if part == name:
                continue
            try:
                self._wait_for_load(part, deadline)
                self._load_composing(part, None, deadline)
                failures = self._begin_load(part, None)
                self._wait_for_load(part, deadline)
            except LoadFailedError:
                continue
            if failures and not self._models[part].ready:
                reasons[part] = _version_reasons(part, failures)
        why = problem(name, directory.config, self._serving_configs())
        if composing(directory.config) and why is not None:
            for part, reason in reasons.items():
                why = f"ensemble '{name}' depends on '{part}' which has no loaded version. {reason}"
            self._let_go(name)
            raise self._load_failed(name, f"load failed for model '{name}': {why}\n")

    def _serving_configs(self) -> dict[str, Mapping[str, Any]]:
        return {name: model.config for name, model in self._models.items() if model.ready}

    def _ensembles_of(self, name: str) -> list[str]:
        """Return the ensembles that serve with this model, directly or not."""
        found: list[str] = []
        for other, model in self._models.items():
            if model.ready and name in composing(model.config):
                found += [other, *self._ensembles_of(other)]
        return found

    def _let_go(self, name: str) -> None:
        if name in self._models:
            self._models[name].unload(self.clock.monotonic() + self.unload_seconds)

    def _wait_for_load(self, name: str, deadline: Deadline) -> None:
        """Let a load that is going on end, giving way to other callers meanwhile."""
        while (model := self._models.get(name)) is not None and model.pending is not None:
            if deadline.passed:
                raise LoadTimeoutError(
                    f"{self.url} was still loading '{name}' at the deadline; "
                    "see its log, or wait and look at the model's state"
                )
            missing = max(0.0, model.pending.finish_at - self.clock.monotonic())
            seconds = min(missing, deadline.remaining())
            process = self._process
            self._lock.release()
            try:
                self.clock.sleep(seconds)
            finally:
                self._lock.acquire()
            self._require_reachable(process)
            self._advance()

    def _load_at_start(self, name: str) -> None:
        try:
            self._begin_load(name, None)
        except LoadFailedError:
            return

    def _check_at_start(self, name: str) -> None:
        """Forget an ensemble that came up at the start though what it is made of did not."""
        model = self._models[name]
        loading = {
            other: one.pending.directory.config
            for other, one in self._models.items()
            if one.pending
        }
        if composing(model.config) and problem(
            name, model.config, loading | self._serving_configs()
        ):
            del self._models[name]

    def _load_failed(self, name: str, reason: str) -> LoadFailedError:
        return LoadFailedError(
            f"{self.url} could not load '{name}': {reason.strip()}", reason=reason
        )

    def _answer(
        self, name: str, inputs: Mapping[str, NDArray[np.generic]], options: RequestOptions
    ) -> tuple[LoadedVersion, dict[str, NDArray[np.generic]]]:
        versions, config = self._serving(name)
        loaded = chosen_version(name, versions, options)
        require_numbers(options, self._metadata(name, versions, config))
        try:
            outputs = answer(name, config, inputs)
            require_outputs(name, outputs, options)
            enter_sequence(name, loaded, options.sequence)
        except RequestRefusedError:
            loaded.counters.failures += 1
            raise
        loaded.counters.executions += 1
        loaded.counters.inferences += batch_size(config, inputs)
        return loaded, outputs

    def _metadata(
        self, name: str, versions: Iterable[int], config: Mapping[str, Any]
    ) -> ModelMetadata:
        return ModelMetadata(
            name,
            tuple(versions),
            str(config.get("platform") or config.get("backend", "")),
            tensor_specs(config, "input"),
            tensor_specs(config, "output"),
        )

    def _serving(self, name: str) -> tuple[dict[int, LoadedVersion], Mapping[str, Any]]:
        model = self._models.get(name)
        if model is None or not model.ready:
            what = "is not found" if model is None else "has no available versions"
            raise ModelNotServedError(
                f"{self.url} does not serve '{name}': Request for unknown model: '{name}' {what}"
            )
        return model.ready, model.config


_NOTHING = SimulatedModel()


def _version_reasons(name: str, failures: Mapping[int, str]) -> str:
    lines = (
        f"version {number} is at UNAVAILABLE state: {reason};\n"
        for number, reason in sorted(failures.items())
    )
    return f"load failed for model '{name}': {''.join(lines)}"
