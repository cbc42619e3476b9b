"""What does not agree about one deployment: its record, its files, and what the server serves.

Found with a few small reads and one request, so that it can be told whenever somebody asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from triton_deploy_core import layout
from triton_deploy_core.behind import Behind
from triton_deploy_core.bookkeeping import (
    OWN_DIRECTORY,
    behind_key,
    journal_key,
    own_prefix,
    parts_key,
)
from triton_deploy_core.by_server import ByServer
from triton_deploy_core.errors import (
    BlobNotFoundError,
    InvalidPackageError,
    StoreError,
    StoreUnavailableError,
)
from triton_deploy_core.failures import listed
from triton_deploy_core.files import read_behind
from triton_deploy_core.lease import LeaseRecord
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.config_format import ConfigFormat, Latest
from triton_deploy_core.ports.store import BlobStore


class Kind(Enum):
    """What a difference is about."""

    UNDER_WAY = "under way"
    """Somebody is at work on the name: differences are to be expected until that is over."""

    INTERRUPTED = "interrupted"
    """An operation was interrupted, and what it left waits to be undone or finished."""

    RECORD = "record"
    """The record can't be read."""

    FILES = "files"
    """The files are not such that Triton would serve them."""

    SERVER = "server"
    """The server serves something else than the files say."""

    SILENT = "silent"
    """A server of several does not answer, so nobody knows what it serves."""


_REPAIRABLE = frozenset({Kind.INTERRUPTED, Kind.SERVER})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree. `text` is a clause without a full stop."""

    kind: Kind
    text: str

    @property
    def is_repairable(self) -> bool:
        """Whether `DeploymentService.repair` can do something about it."""
        return self.kind in _REPAIRABLE


def find_differences(
    store: BlobStore,
    configs: ConfigFormat,
    name: DeploymentName,
    *,
    ready: ByServer,
) -> tuple[Difference, ...]:
    """Compare what the repository holds under a name with what the server serves of it.

    Args:
        store: the repository.
        configs: reads ``config.pbtxt``.
        name: a deployment that has a record.
        ready: the versions that each server serves.
    """
    keys = {blob.key for blob in store.list(own_prefix(name))}
    operation = _operation(store, name, keys)
    if operation is not None and operation.kind is Kind.UNDER_WAY:
        return (operation,)
    behind = read_behind(store, name) if behind_key(name) in keys else Behind()
    found = compare(store, configs, name, ready=ready, behind=behind)
    return found if operation is None else (operation, *found)


def compare(
    store: BlobStore,
    configs: ConfigFormat,
    name: DeploymentName,
    *,
    ready: ByServer,
    behind: Behind,
) -> tuple[Difference, ...]:
    """Compare the files of a name with what is served of it, whoever is at work on it.

    Args:
        store: the repository.
        configs: reads ``config.pbtxt``.
        name: a deployment that has a record.
        ready: the versions that each server serves.
        behind: who was left behind.
    """
    start = layout.prefix(name)
    paths = [blob.key.removeprefix(start) for blob in store.list(start)]
    found = []
    if any(path.startswith(OWN_DIRECTORY) for path in paths):
        text = f"copies of files were left in {OWN_DIRECTORY}"
        found.append(Difference(Kind.INTERRUPTED, text))
    try:
        config = store.read(start + CONFIG_FILE).data if CONFIG_FILE in paths else None
        picked = picked_versions(config, paths, configs)
    except BlobNotFoundError:
        return (*found, Difference(Kind.UNDER_WAY, "its files are changing just now"))
    except InvalidPackageError as error:
        return (*found, Difference(Kind.FILES, str(error).rstrip(".")))
    if not picked:
        has = _listed(layout.versions(paths))
        text = f"{CONFIG_FILE} picks no version that has a directory (there is {has})"
        return (*found, Difference(Kind.FILES, text))
    return (*found, *_served(picked, ready), *_left_behind(ready, behind), *_silent(ready))


def _served(picked: frozenset[int], ready: ByServer) -> Iterator[Difference]:
    for versions, urls in ready.grouped():
        if versions != picked:
            who = "the server serves" if ready.is_one else f"{_serving(urls)}"
            text = f"{CONFIG_FILE} picks version {_listed(picked)}, {who} {_listed(versions)}"
            yield Difference(Kind.SERVER, text)
    elsewhere = [url for url, versions in ready.outside.items() if versions]
    if elsewhere:
        text = f"it is for servers={ready.servers}, but {_serving(elsewhere)} it too"
        yield Difference(Kind.SERVER, text)
    if not (ready.inside or ready.silent):
        text = f"servers={ready.servers} matches no server: update it with other servers"
        yield Difference(Kind.FILES, text)


def _left_behind(ready: ByServer, behind: Behind) -> tuple[Difference, ...]:
    here = behind.among({*ready.inside, *ready.outside})
    return left_behind({url: one.why for url, one in here.servers.items()})


def left_behind(servers: Mapping[str, str]) -> tuple[Difference, ...]:
    """Tell which servers an operation went on without: URL → why."""
    return tuple(
        Difference(Kind.SERVER, f"{url} was left behind: {why.rstrip('.')}")
        for url, why in servers.items()
    )


def _silent(ready: ByServer) -> Iterator[Difference]:
    for url, error in ready.silent.items():
        yield Difference(Kind.SILENT, f"{url} does not answer: {str(error).rstrip('.')}")


def _serving(urls: Sequence[str]) -> str:
    return f"{listed(urls)} {'serves' if len(urls) == 1 else 'serve'}"


def picked_versions(
    config: bytes | None, paths: Iterable[str], configs: ConfigFormat
) -> frozenset[int]:
    """Return the versions that Triton serves of these files under this configuration.

    Raises:
        InvalidPackageError: Triton could not parse the configuration, or would abort.
    """
    paths = list(paths)
    layout.require_loadable(paths, "It")
    policy = Latest() if config is None else configs.version_policy(config)
    return policy.visible(layout.versions(paths))


def _operation(store: BlobStore, name: DeploymentName, keys: Collection[str]) -> Difference | None:
    """Return what is going on under a name, or was when its holder died."""
    key, lease = journal_key(name), None
    try:
        if key in keys:
            lease = LeaseRecord.decode(store.read(key).data, name)
            if lease.is_held(lambda: store.age(key)):
                text = f"another {lease.operation} is under way: {lease.described}"
                return Difference(Kind.UNDER_WAY, text)
    except BlobNotFoundError:
        return None  # it has just ended
    except StoreUnavailableError:
        raise
    except StoreError as error:
        return Difference(Kind.INTERRUPTED, str(error).rstrip("."))
    if (lease is None or lease.journal is None) and parts_key(name) not in keys:
        return None
    is_known = lease is not None and lease.operation
    what = f"the {lease.operation} of {lease.holder}" if lease and is_known else "an operation"
    text = f"{what} was interrupted or is not over: its journal waits for the next operation"
    return Difference(Kind.INTERRUPTED, text)


def _listed(versions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(versions))) or "none"
