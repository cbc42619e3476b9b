"""The configuration under which nobody sees what is coming."""

from __future__ import annotations

from triton_deploy_core import layout
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific
from triton_deploy_core.snapshot import Snapshot


def hiding_config(now: Snapshot, coming: frozenset[int], configs: ConfigFormat) -> bytes | None:
    """Return a configuration under which just what serves now is visible.

    None where the one in force is such a configuration.

    Args:
        now: what there is.
        coming: the versions that come beside it.
        configs: reads and rewrites configurations.
    """
    policy = policy_of(now.config, configs)
    serving = policy.visible(now.versions)
    if not serving:
        return layout.UNFINISHED_CONFIG
    if policy.visible(now.versions | coming) == serving:
        return None
    return configs.with_version_policy(now.config or b"", Specific(serving))
