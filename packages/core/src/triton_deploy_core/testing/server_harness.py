"""What `InferenceServerContract` needs from whoever binds it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from triton_deploy_core.clock import Clock, Deadline, SystemClock
from triton_deploy_core.ports.server import (
    IndexEntry,
    InferenceServer,
    LoadOverride,
    ModelState,
)

TIMEOUT = 60.0
"""Seconds that any call or any waiting of the suite may take."""

LABELS = "labels.txt"
_POLL_SECONDS = 0.05


class ServerHarness(ABC):
    """A server in EXPLICIT mode and raw access to its repository, around every adapter.

    Attributes:
        server: the adapter under test.
        clock: by which the suite waits.
        backend: ``backend`` of the configurations that the suite writes.
    """

    server: InferenceServer
    clock: Clock = SystemClock()
    backend = "python"

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write a file of the repository."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove a file, or a directory with all that is in it; what is not there is no error."""

    @abstractmethod
    def identity(self, datatype: str, tag: str) -> Mapping[str, bytes]:
        """Return a good version: path inside the version's directory → content.

        It has one input ``IN`` and one output ``OUT`` of this datatype (FP32, …, BYTES) and any
        rank, the output being the input. Another `tag`, another content.
        """

    @abstractmethod
    def rows(self) -> Mapping[str, bytes]:
        """Return a good version of a decoupled model.

        For every row of ``IN`` it answers with an ``OUT`` of that row alone. A row that begins with
        a negative number fails, with a reason that holds the word ``negative``.
        """

    @abstractmethod
    def broken(self) -> Mapping[str, bytes]:
        """Return a version whose load fails with a reason that holds the word ``broken``."""

    @abstractmethod
    def unreachable(self) -> InferenceServer:
        """Return an adapter for an address where nobody listens."""

    def not_explicit(self) -> AbstractContextManager[InferenceServer] | None:
        """Start a server that is not in EXPLICIT mode, or None if that can't be had."""
        return None


@dataclass(slots=True)
class ModelUnderTest:
    """One model of a unique name, and what a test does with it.

    Attributes:
        harness: where it is.
        name: its name.
        datatype: of its input and its output.
        max_batch_size: of its configuration.
        labels: of the output's elements.
        more: what its ``config.pbtxt`` says besides.
    """

    harness: ServerHarness
    name: str
    datatype: str = "FP32"
    max_batch_size: int = 0
    labels: tuple[str, ...] = ()
    more: str = ""

    @classmethod
    def unique(cls, harness: ServerHarness) -> ModelUnderTest:
        """Return a model of a name that nobody used before."""
        return cls(harness, f"contract-{uuid.uuid4().hex[:12]}")

    @property
    def server(self) -> InferenceServer:
        """The adapter under test."""
        return self.harness.server

    def configure(self, policy: str = "", *, name: str = "") -> None:
        """Write ``config.pbtxt`` with a version policy as it stands in its braces."""
        data_type = "TYPE_STRING" if self.datatype == "BYTES" else f"TYPE_{self.datatype}"
        tensor = f"data_type: {data_type} dims: [ -1, 4 ]"
        labels = f'label_filename: "{LABELS}"' if self.labels else ""
        lines = [
            f'name: "{name or self.name}"',
            f'backend: "{self.harness.backend}"',
            f"max_batch_size: {self.max_batch_size}",
            f'input [ {{ name: "IN" {tensor} }} ]',
            f'output [ {{ name: "OUT" {tensor} {labels} }} ]',
            f"version_policy {{ {policy} }}" if policy else "",
            self.more,
        ]
        if self.labels:
            self.harness.put(f"{self.name}/{LABELS}", "\n".join(self.labels).encode())
        self.harness.put(f"{self.name}/config.pbtxt", "\n".join(lines).encode())

    def serve_only(self, *versions: int) -> None:
        """Write ``config.pbtxt`` so that just these versions are visible."""
        self.configure(f"specific {{ versions: [ {', '.join(map(str, versions))} ] }}")

    def put_good(self, version: int, tag: str = "first") -> None:
        """Write a good version."""
        self._put(version, self.harness.identity(self.datatype, tag))

    def put_rows(self, version: int) -> None:
        """Write a version that answers row by row."""
        self._put(version, self.harness.rows())

    def put_broken(self, version: int) -> None:
        """Write a version that can't be loaded."""
        self._put(version, self.harness.broken())

    def remove(self, path: str = "") -> None:
        """Remove a path inside the model's directory, or all of it."""
        self.harness.remove(f"{self.name}/{path}".rstrip("/"))

    def load(self, override: LoadOverride | None = None) -> None:
        """Load the model."""
        self.server.load(self.name, timeout=TIMEOUT, override=override)

    def unload(self) -> None:
        """Unload the model and wait until that is over. Its directory has to exist."""
        self.server.unload(self.name, timeout=TIMEOUT)
        self.wait_until_quiet()

    def wait_until_quiet(self) -> None:
        """Wait until no version of the model is on its way up or down."""
        moving = {ModelState.LOADING, ModelState.UNLOADING}
        self.wait(lambda: not any(row.state in moving for row in self.rows()))

    def wait(self, condition: Callable[[], bool]) -> None:
        """Poll until a condition holds.

        Raises:
            AssertionError: it still does not, after a time that is ample for everybody.
        """
        deadline = Deadline.after(TIMEOUT, self.harness.clock)
        while not condition():
            if deadline.passed:
                raise AssertionError(f"waited {TIMEOUT:.0f} s in vain; index: {self.rows()}")
            self.harness.clock.sleep(_POLL_SECONDS)

    def rows(self) -> list[IndexEntry]:
        """Return the model's rows of the index, by version."""
        rows = [row for row in self.server.index() if row.name == self.name]
        return sorted(rows, key=lambda row: row.version or 0)

    def states(self) -> dict[int | None, ModelState]:
        """Return the states of the model's versions in the index."""
        return {row.version: row.state for row in self.rows()}

    def override(self, *versions: int) -> LoadOverride:
        """Return a good model to send with a load, with these versions."""
        files = {
            f"{version}/{path}": data
            for version in versions
            for path, data in self.harness.identity(self.datatype, "override").items()
        }
        return LoadOverride(self.json_config(), files)

    def json_config(self) -> dict[str, Any]:
        """Return the model's configuration as a load call takes it, all versions visible."""
        data_type = "TYPE_STRING" if self.datatype == "BYTES" else f"TYPE_{self.datatype}"
        tensor = {"data_type": data_type, "dims": [-1, 4]}
        return {
            "name": self.name,
            "backend": self.harness.backend,
            "max_batch_size": self.max_batch_size,
            "version_policy": {"all": {}},
            "input": [{"name": "IN", **tensor}],
            "output": [{"name": "OUT", **tensor}],
        }

    def clean_up(self) -> None:
        """Leave the server ready and the repository without the model."""
        self.configure()
        self.unload()
        if not self.server.is_ready():
            failed = [version for version in self.states() if version is not None]
            self.load(self.override(*(failed or [1])))
            self.unload()
        self.remove()

    def _put(self, version: int, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            self.harness.put(f"{self.name}/{version}/{path}", data)
