"""Which files a deployment writes, and in which order: decided before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triton_deploy_core import layout
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, TreePackage, VersionPackage
from triton_deploy_core.ports.config_format import ConfigFormat, Latest, Specific, VersionPolicy
from triton_deploy_core.ports.store import Source
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one create or update. Paths are inside the model's directory.

    Attributes:
        hiding: a configuration like the one in force that makes what is coming invisible, to be
            written first; None where that is not necessary.
        files: path → source of all that is transferred before the commit.
        removed: paths that have to be gone before the load.
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


def plan(package: ModelPackage, now: Snapshot, configs: ConfigFormat) -> Plan:
    """Decide how a package becomes what is served under a name.

    Raises:
        InvalidPackageError: a configuration can't be parsed.
    """
    if isinstance(package, TreePackage):
        return _tree_plan(package, now, configs)
    number, in_place = _choose_version(package, now, configs)
    if in_place:
        return _in_place_plan(package, number, now)
    return _fresh_version_plan(package, number, now, configs)


def _fresh_version_plan(
    package: VersionPackage, number: int, now: Snapshot, configs: ConfigFormat
) -> Plan:
    """Upload beside what serves, invisible; one write of the configuration makes it the one."""
    policy_now = _policy(now.config, configs)
    serving = policy_now.visible(now.versions)
    everything = now.versions | {number}
    hiding = None
    if now.versions and policy_now.visible(everything) != serving:
        hiding = configs.with_version_policy(now.config or b"", Specific(serving))

    pinned = configs.with_version_policy(package.config or b"", Specific(frozenset({number})))
    final = package.config if package.config_is_verbatim else pinned
    policy = _policy(final, configs)
    previous = frozenset(sorted(serving)[-1:])
    kept = {number} | previous
    if policy.visible(kept) != {number}:
        kept = {number}
    fits_at_once = policy.visible(everything) == {number}
    beside = set(package.beside)
    return Plan(
        hiding=hiding,
        files={**_numbered(package, number), **package.beside},
        removed=frozenset(),
        config=final if fits_at_once else pinned,
        serves=frozenset({number}),
        settled=None if fits_at_once else final,
        garbage=frozenset(
            path for path in now.files if not _stays(path, kept=frozenset(kept), beside=beside)
        ),
    )


def _stays(path: str, *, kept: frozenset[int], beside: set[str]) -> bool:
    number = layout.version_of(path)
    if number is not None:
        return number in kept
    return path in beside or path in {CONFIG_FILE, RECORD_FILE}


def _in_place_plan(package: VersionPackage, number: int, now: Snapshot) -> Plan:
    """The user's own policy names just this version: its directory has to be replaced."""
    files = {**_numbered(package, number), **package.beside}
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
    files = {path: source for path, source in package.files.items() if path != CONFIG_FILE}
    return Plan(
        hiding=None,
        files=files,
        removed=_leftovers(now, files),
        config=config,
        serves=_policy(config, configs).visible(layout.versions(files)),
        settled=None,
        garbage=frozenset(),
    )


def _leftovers(now: Snapshot, files: Mapping[str, Source]) -> frozenset[str]:
    return frozenset(now.files) - frozenset(files) - {CONFIG_FILE, RECORD_FILE}


def _numbered(package: VersionPackage, number: int) -> dict[str, Source]:
    return {f"{number}/{path}": source for path, source in package.files.items()}


def _policy(config: bytes | None, configs: ConfigFormat) -> VersionPolicy:
    return Latest() if config is None else configs.version_policy(config)


def _choose_version(
    package: VersionPackage, now: Snapshot, configs: ConfigFormat
) -> tuple[int, bool]:
    """Return Triton's version number for the package, and whether its directory is in use now.

    The registry's number where it is free and would be served, else the next higher one.
    """
    wanted = package.origin.registry_version or 1
    if package.config_is_verbatim:
        policy = _policy(package.config, configs)
        if isinstance(policy, Specific):
            return _choose_among(policy.versions, wanted, now.versions)
        if isinstance(policy, Latest):
            # The highest number is the one that is served for sure.
            wanted = max({wanted, *(version + 1 for version in now.versions)})
    while wanted in now.versions:
        wanted += 1
    return wanted, False


def _choose_among(allowed: frozenset[int], wanted: int, taken: frozenset[int]) -> tuple[int, bool]:
    free = sorted(allowed - taken)
    if wanted in free:
        return wanted, False
    if free:
        return free[0], False
    return (wanted if wanted in allowed else max(allowed)), True
