"""Files that the user laid out, or that have to stand where those stand that serve now."""

from __future__ import annotations

from collections.abc import Mapping

from triton_deploy_core import layout
from triton_deploy_core.commit import Commit
from triton_deploy_core.hiding import hiding_config
from triton_deploy_core.holdings import Holdings, is_tritons
from triton_deploy_core.keys import displaced
from triton_deploy_core.named_configs import NamedConfigs
from triton_deploy_core.package_files import is_written_apart
from triton_deploy_core.plan import Plan
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.store import Source
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.stand_in import stand_in


def in_place_plan(
    contents: Mapping[str, Source],
    config: bytes | None,
    now: Snapshot,
    holdings: Holdings,
    *,
    named: Mapping[str, bytes],
    configs: ConfigFormat,
) -> Plan:
    """Plan to replace what is there, path by path; what did not change stays as it is.

    Args:
        contents: path inside the model's directory → source.
        config: deployed byte for byte; None for a model without one.
        now: what there is.
        holdings: what is known of the bytes of that.
        named: path → configuration for some hardware, deployed byte for byte.
        configs: reads and rewrites configurations.
    """
    changed = {path: source for path, source in contents.items() if not holdings.has(path, source)}
    coming = layout.versions(contents)
    in_the_way = displaced(now.files, changed)
    changing = layout.versions(changed)
    leftovers = {
        path
        for path in set(now.files) - set(contents) - in_the_way
        if not (is_tritons(path) and layout.version_of(path) in coming - changing)
        and not is_written_apart(path)
    }
    # A version that goes as a whole can wait until the new ones serve, and so can warm-up data,
    # without which the old ones would not load.
    later = {
        path
        for path in leftovers
        if layout.version_of(path) not in {None, *coming} or path.startswith(layout.WARMUP)
    }
    removed = in_the_way | (leftovers - later)
    copies = stand_in(now, changed.keys() | removed, taken=now.taken | coming, configs=configs)
    copied = frozenset() if copies is None else copies.versions
    serves = policy_of(config, configs).visible(coming)
    return Plan(
        contents=contents,
        files={
            path: holdings.nearest(source, unusable=in_the_way | changed.keys())
            for path, source in changed.items()
        },
        removed=frozenset(removed),
        hiding=hiding_config(now, coming | copied, configs),
        commit=Commit.of(
            config,
            serves=serves,
            present=coming | layout.versions(later) | copied,
            arriving=now.fence.arriving - coming,
            configs=configs,
        ),
        named=NamedConfigs.of(
            named,
            now,
            coming=coming,
            copied=copied,
            later=layout.versions(later),
            changing=changed.keys() | removed,
            configs=configs,
        ),
        serves=serves,
        garbage=frozenset(later).union(() if copies is None else copies.copies.values()),
        stand_in=copies,
    )
