"""What a load finds, and what it is going to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from triton_deploy_core.errors import BlobNotFoundError
from triton_deploy_core.keys import is_marker
from triton_deploy_core.ports.server import LoadOverride
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.testing.simulated_content import Outcome, outcome_of
from triton_deploy_core.testing.simulated_directory import (
    ModelDirectory,
    PollFailedError,
    directory_of,
    read_directory,
    with_config,
)
from triton_deploy_core.testing.simulated_model import LoadedVersion, PendingLoad, SimulatedModel


def find_directory(
    store: BlobStore,
    name: str,
    override: LoadOverride | None,
    model: SimulatedModel,
    *,
    auto_complete: bool,
    config_name: str | None = None,
) -> ModelDirectory:
    """Return what a load works on: the repository's directory, or what came with the call.

    A configuration without files, sent earlier, stays in force until the directory changes.

    Raises:
        PollFailedError: Triton could not read it.
    """
    if override is not None and override.files:
        return directory_of(override, name)
    directory = read_directory(store, name, auto_complete=auto_complete, config_name=config_name)
    if override is not None:
        return with_config(directory, override.config, name)
    if model.sticky is not None:
        fingerprint, config = model.sticky
        if fingerprint == directory.fingerprint:
            return with_config(directory, config, name)
    return directory


def prepare(
    store: BlobStore,
    name: str,
    directory: ModelDirectory,
    serving: Mapping[int, LoadedVersion],
    now: float,
    *,
    has: Collection[str] = (),
) -> PendingLoad:
    """Read what has to be loaded, and find out how that is going to end.

    Raises:
        PollFailedError: a file vanished meanwhile.
    """
    fresh: dict[int, LoadedVersion] = {}
    outcomes: dict[int, Outcome] = {}
    for number in sorted(directory.visible):
        if number in serving and serving[number].is_current(number, directory):
            continue
        files = _contents(store, name, directory, number)
        fresh[number] = LoadedVersion(
            files,
            directory.versions[number],
            directory.beside,
            directory.config,
            directory.contents is not None,
        )
        outcomes[number] = outcome_of(number, files, directory.config, has)
    failures = {
        number: outcome.failure
        for number, outcome in outcomes.items()
        if outcome.failure is not None
    }
    for number in failures:
        del fresh[number]
    seconds = max((outcome.seconds for outcome in outcomes.values()), default=0.0)
    return PendingLoad(directory, fresh, failures, now + seconds)


def _contents(
    store: BlobStore, name: str, directory: ModelDirectory, number: int
) -> dict[str, bytes]:
    paths = sorted(directory.versions[number].keys() | directory.beside.keys())
    if directory.contents is not None:
        return {path: directory.contents[path] for path in paths}
    found = {}
    for path in paths:
        if is_marker(path):
            found[path] = b""
            continue
        try:
            found[path] = store.read(f"{name}/{path}").data
        except BlobNotFoundError as error:
            raise PollFailedError(f"{path} vanished while it was read") from error
    return found
