"""One model inside the simulated Triton: its versions, their states, the load that is going on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_deploy_core.ports.server import IndexEntry, LoadOverride, ModelState
from triton_deploy_core.testing.simulated_directory import ModelDirectory

UNLOADED = "unloaded"

_PASSIVE_FIELDS = {"instance_group", "version_policy"}


@dataclass(slots=True)
class Counters:
    """Inference statistics of a loaded version."""

    inferences: int = 0
    executions: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """One version in memory and what it was loaded from.

    Attributes:
        files: path inside the model's directory → bytes: this version's and those in no version.
        tags: path → tag of this version's files.
        beside: path → tag of the files that are in no version.
        config: the configuration that it was loaded with.
        sequences: those that began and did not end.
    """

    files: Mapping[str, bytes]
    tags: Mapping[str, str]
    beside: Mapping[str, str]
    config: Mapping[str, Any]
    from_override: bool = False
    counters: Counters = field(default_factory=Counters)
    sequences: set[int | str] = field(default_factory=set)

    def is_current(self, number: int, directory: ModelDirectory) -> bool:
        """Whether a load of this directory would leave the version alone.

        An entry beside the versions that vanished is no reason to reload (seen on Triton 2.51).
        """
        same_place = self.from_override == (directory.contents is not None)
        same_files = self.tags == directory.versions[number]
        same_beside = directory.beside.items() <= self.beside.items()
        return same_place and same_files and same_beside and self._same_config(directory.config)

    def _same_config(self, config: Mapping[str, Any]) -> bool:
        def active(settings: Mapping[str, Any]) -> dict[str, Any]:
            return {key: settings[key] for key in settings if key not in _PASSIVE_FIELDS}

        return active(self.config) == active(config)


@dataclass(slots=True)
class Version:
    """The state of one version number; `loaded` is there while it is READY."""

    state: ModelState
    reason: str = ""
    loaded: LoadedVersion | None = None
    gone_at: float = 0.0

    @property
    def keeps_server_ready(self) -> bool:
        """Whether this version is no reason for the server to say that it is not ready."""
        unloaded = self.state is ModelState.UNAVAILABLE and self.reason == UNLOADED
        return self.state is ModelState.READY or unloaded


@dataclass(frozen=True, slots=True)
class PendingLoad:
    """A load that began and ends at `finish_at`; infinity if it hangs."""

    directory: ModelDirectory
    fresh: Mapping[int, LoadedVersion]
    failures: Mapping[int, str]
    finish_at: float


@dataclass(slots=True)
class SimulatedModel:
    """What the server remembers of one name. `versions` may be empty: none was ever visible.

    Attributes:
        sticky: the fingerprint of the directory under which a configuration was sent with a
            load, and that configuration: it stays in force until the directory changes.
    """

    versions: dict[int, Version] = field(default_factory=dict)
    pending: PendingLoad | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    sticky: tuple[tuple[object, ...], Mapping[str, Any]] | None = None

    @property
    def ready(self) -> dict[int, LoadedVersion]:
        """The versions that serve, ascending."""
        return {
            number: version.loaded
            for number, version in sorted(self.versions.items())
            if version.state is ModelState.READY and version.loaded is not None
        }

    @property
    def keeps_server_ready(self) -> bool:
        """Whether this model is no reason for the server to say that it is not ready."""
        if not self.versions:
            return False
        return all(version.keeps_server_ready for version in self.versions.values())

    def entries(self, name: str) -> list[IndexEntry]:
        """Return the model's rows in the repository index."""
        return [
            IndexEntry(name, number, version.state, version.reason)
            for number, version in sorted(self.versions.items())
        ]

    def remember_override(self, directory: ModelDirectory, override: LoadOverride | None) -> None:
        """Keep, or give up, the configuration that was sent with a load."""
        if override is not None:
            self.sticky = None if override.files else (directory.fingerprint, override.config)
        elif self.sticky is not None and self.sticky[0] != directory.fingerprint:
            self.sticky = None

    def begin(self, load: PendingLoad) -> None:
        """Begin a load: what comes up anew shows as LOADING, what serves goes on serving."""
        self.pending = load
        for number in load.fresh.keys() | load.failures.keys():
            if number not in self.ready:
                self.versions[number] = Version(ModelState.LOADING)

    def advance(self, now: float, unload_seconds: float) -> None:
        """Let happen what should have happened by now."""
        if self.pending is not None and self.pending.finish_at <= now:
            self._finish(self.pending, now + unload_seconds)
            self.pending = None
        for number, version in self.versions.items():
            if version.state is ModelState.UNLOADING and version.gone_at <= now:
                self.versions[number] = Version(ModelState.UNAVAILABLE, UNLOADED)

    def unload(self, gone_at: float) -> None:
        """Begin to unload every version that serves; a failed one stays as it is."""
        for number in self.ready:
            self.versions[number] = Version(ModelState.UNLOADING, gone_at=gone_at)
        self.sticky = None

    def _finish(self, load: PendingLoad, gone_at: float) -> None:
        serving = self.ready
        if load.failures:
            self._abort(load, gone_at)
            return
        for number, loaded in load.fresh.items():
            self.versions[number] = Version(ModelState.READY, loaded=loaded)
        for number in serving.keys() - load.directory.visible:
            self.versions[number] = Version(ModelState.UNLOADING, gone_at=gone_at)
        self.config = load.directory.config

    def _abort(self, load: PendingLoad, gone_at: float) -> None:
        """Take back all that a load brought up, since one version of it failed."""
        serving = self.ready
        for number in load.fresh.keys() - serving.keys():
            self.versions[number] = Version(ModelState.UNLOADING, gone_at=gone_at)
        for number in load.failures.keys() - serving.keys():
            self.versions[number] = Version(ModelState.UNAVAILABLE, load.failures[number])
