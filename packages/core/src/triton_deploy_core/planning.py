"""Which files a deployment writes, and in which order: decided before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import OWN_DIRECTORY
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.keys import check_key, displaced
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, TreePackage, VersionPackage
from triton_deploy_core.ports.config_format import (
    AllVersions,
    ConfigFormat,
    Latest,
    Specific,
    VersionPolicy,
)
from triton_deploy_core.ports.store import Source
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one create or update. Paths are inside the model's directory.

    Attributes:
        hiding: a configuration under which just what serves now is visible, whatever comes
            beside it, to be written first; None where the one in force does that, or where that
            can't be had since what serves is replaced in its place.
        files: path → source of all that is transferred before the commit.
        removed: paths that have to be gone before the load; among them all that is in the way of
            `files`.
        config: the configuration whose write is the commit; None for a model without one.
        serves: the versions that serve once the load is over.
        settled: the configuration as its user wrote it, where `config` had to differ from it
            until `garbage` is gone; else None.
        garbage: paths to delete once the new version serves.
    """

    hiding: bytes | None
    files: Mapping[str, Source]
    removed: frozenset[str]
    config: bytes | None
    serves: frozenset[int]
    settled: bytes | None
    garbage: frozenset[str]


def plan(
    package: ModelPackage, now: Snapshot, configs: ConfigFormat, *, keep_versions: int = 1
) -> Plan:
    """Decide how a package becomes what is served under a name.

    Args:
        package: the model.
        now: what there is.
        configs: reads and rewrites ``config.pbtxt``.
        keep_versions: how many previous versions stay, where the layout is ours.

    Raises:
        InvalidPackageError: a configuration can't be parsed, or a file can't be where it wants.
    """
    if isinstance(package, TreePackage):
        return _tree_plan(package, now, configs)
    serving = _policy(now.config, configs).visible(now.versions)
    number = _choose_version(package, now.versions, serving, configs)
    if number in serving:
        return _in_place_plan(package, number, now)
    return _fresh_version_plan(
        package, number, now, serving, configs=configs, keep_versions=keep_versions
    )


def _fresh_version_plan(
    package: VersionPackage,
    number: int,
    now: Snapshot,
    serving: frozenset[int],
    *,
    configs: ConfigFormat,
    keep_versions: int,
) -> Plan:
    """Upload beside what serves, invisible; one write of the configuration makes it the one."""
    everything = now.versions | {number}
    pinned = configs.with_version_policy(package.config or b"", Specific(frozenset({number})))
    final = package.config if package.config_is_verbatim else pinned
    policy = _policy(final, configs)
    previous = [
        version
        for version in (*sorted(now.versions - serving), *sorted(serving))
        if version != number and policy.visible({number, version}) == {number}
    ]
    kept = {number, *previous[len(previous) - min(keep_versions, len(previous)) :]}
    fits_at_once = policy.visible(everything) == {number}
    files = _files_of(package, number)
    # A version of that number that nobody sees gives way to the new one.
    stale = frozenset(path for path in now.files if layout.version_of(path) == number)
    removed = (stale - files.keys()) | displaced(now.files, files)
    garbage = {path for path in now.files if not _stays(path, kept=kept, beside=package.beside)}
    return Plan(
        hiding=_hiding(number, now, serving, configs),
        files=files,
        removed=removed,
        config=final if fits_at_once else pinned,
        serves=policy.visible({number}),
        settled=None if fits_at_once else final,
        garbage=frozenset(garbage - removed),
    )


def _hiding(
    number: int, now: Snapshot, serving: frozenset[int], configs: ConfigFormat
) -> bytes | None:
    if not serving:
        return layout.UNFINISHED_CONFIG
    if _policy(now.config, configs).visible(now.versions | {number}) == serving:
        return None
    return configs.with_version_policy(now.config or b"", Specific(serving))


def _stays(path: str, *, kept: Collection[int], beside: Collection[str]) -> bool:
    number = layout.version_of(path)
    if number is not None:
        return number in kept
    return path in beside or path in {CONFIG_FILE, RECORD_FILE}


def _in_place_plan(package: VersionPackage, number: int, now: Snapshot) -> Plan:
    """The user's own policy names just this version: its directory has to be replaced."""
    files = _files_of(package, number)
    return Plan(
        hiding=None,
        files=files,
        removed=_leftovers(now, files),
        config=package.config,
        serves=frozenset({number}),
        settled=None,
        garbage=frozenset(),
    )


def _tree_plan(package: TreePackage, now: Snapshot, configs: ConfigFormat) -> Plan:
    """The layout belongs to the user: it replaces what is there, path by path."""
    config = package.config()
    files = _usable(package.files)
    return Plan(
        hiding=None if now.exists else layout.UNFINISHED_CONFIG,
        files=files,
        removed=_leftovers(now, files),
        config=config,
        serves=_policy(config, configs).visible(layout.versions(files)),
        settled=None,
        garbage=frozenset(),
    )


def _leftovers(now: Snapshot, files: Mapping[str, Source]) -> frozenset[str]:
    return frozenset(now.files) - frozenset(files) - {CONFIG_FILE, RECORD_FILE}


def _files_of(package: VersionPackage, number: int) -> dict[str, Source]:
    numbered = {f"{number}/{path}": source for path, source in package.files.items()}
    return _usable({**numbered, **package.beside})


def _usable(files: Mapping[str, Source]) -> dict[str, Source]:
    """Leave out what is ours to write: the configuration, whose write is the commit, the record.

    Raises:
        InvalidPackageError: a path leaves the model's directory, or is kept for bookkeeping.
    """
    for path in files:
        try:
            check_key(path)
        except ValueError as error:
            raise InvalidPackageError(
                f"The model has a file that can't be stored: {error}."
            ) from error
        if path.startswith(OWN_DIRECTORY) or path == OWN_DIRECTORY.removesuffix("/"):
            raise InvalidPackageError(
                f"The model has a file {path!r}, but {OWN_DIRECTORY} is kept for files that a "
                "deployment in progress needs. Remove it from the model, or rename it."
            )
    return {path: files[path] for path in files if path not in {CONFIG_FILE, RECORD_FILE}}


def _policy(config: bytes | None, configs: ConfigFormat) -> VersionPolicy:
    return Latest() if config is None else configs.version_policy(config)


def _choose_version(
    package: VersionPackage, taken: frozenset[int], serving: frozenset[int], configs: ConfigFormat
) -> int:
    """Return Triton's version number for the package.

    The registry's number where it is free and would be served, else the next higher one. A user's
    policy of certain versions leaves only these: a free one, one that nobody sees now, or, as the
    last resort, the one that serves.
    """
    wanted = package.origin.registry_version or 1
    policy = _policy(package.config, configs) if package.config_is_verbatim else AllVersions()
    if isinstance(policy, Specific):
        allowed = frozenset(number for number in policy.versions if number >= 0)
        for choices in filter(None, (allowed - taken, allowed - serving, allowed)):
            return wanted if wanted in choices else min(choices)
    if isinstance(policy, Latest):
        # The highest number is the one that is served for sure.
        wanted = max({wanted, *(version + 1 for version in taken)})
    while wanted in taken:
        wanted += 1
    return wanted
