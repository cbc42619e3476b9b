"""A version beside those that serve: invisible until one write of the configuration."""

from __future__ import annotations

from triton_deploy_core import layout
from triton_deploy_core.commit import Commit
from triton_deploy_core.hiding import hiding_config
from triton_deploy_core.holdings import Holdings
from triton_deploy_core.keys import displaced
from triton_deploy_core.named_configs import NamedConfigs
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.package_files import is_written_apart, numbered
from triton_deploy_core.plan import Plan
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.stand_in import stand_in


def fresh_version_plan(
    package: VersionPackage,
    number: int,
    now: Snapshot,
    holdings: Holdings,
    *,
    configs: ConfigFormat,
    keep_versions: int,
) -> Plan:
    """Plan to serve a package as a version that is free, unseen, or just this package already.

    Args:
        package: the model.
        number: the version.
        now: what there is.
        holdings: what is known of the bytes of that.
        configs: reads and rewrites configurations.
        keep_versions: how many versions that served before stay.
    """
    final, named = package.config, package.named_configs()
    if not package.config_is_verbatim:
        only = Specific(frozenset({number}))
        final = configs.with_version_policy(final or b"", only)
        named = {path: configs.with_version_policy(text, only) for path, text in named.items()}
    policy = policy_of(final, configs)
    serving = policy_of(now.config, configs).visible(now.versions)
    previous = [
        version
        for version in holdings.by_age(now.versions - {number}, last=serving)
        if policy.visible({number, version}) == {number}
    ]
    kept = {number, *previous[max(0, len(previous) - keep_versions) :]}

    needed = holdings.beside(kept - {number})
    contents = numbered(package, number)
    changed = {path: source for path, source in contents.items() if not holdings.has(path, source)}
    removed = displaced(now.files, changed)
    if any(layout.version_of(path) == number for path in changed):
        # A version of that number that nobody sees gives way to the new one.
        removed |= {path for path in now.files if layout.version_of(path) == number} - set(contents)
    gone = {
        path
        for path in now.files
        if path not in contents
        and not is_written_apart(path)
        and layout.version_of(path) not in kept
        and path not in needed
    }
    copies = stand_in(now, changed.keys() | removed, taken=now.taken | {number}, configs=configs)
    return Plan(
        contents=contents,
        files={
            path: holdings.nearest(source, unusable=removed | changed.keys())
            for path, source in changed.items()
        },
        removed=frozenset(removed),
        hiding=hiding_config(now, frozenset({number}), configs),
        commit=Commit.of(
            final,
            serves=frozenset({number}),
            present=now.versions | {number},
            arriving=now.fence.arriving,
            configs=configs,
        ),
        named=NamedConfigs.of(
            named,
            now,
            coming=frozenset({number}),
            copied=frozenset() if copies is None else copies.versions,
            later=now.versions - {number},
            changing=changed.keys() | removed,
            configs=configs,
        ),
        serves=policy.visible({number}),
        garbage=frozenset(gone - removed),
        stand_in=copies,
    )
