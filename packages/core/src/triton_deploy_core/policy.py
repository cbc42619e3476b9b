"""Which version policy is in force, also where nobody wrote one."""

from __future__ import annotations

from triton_deploy_core.ports.config_format import ConfigFormat, Latest, VersionPolicy


def policy_of(config: bytes | None, configs: ConfigFormat) -> VersionPolicy:
    """Return the policy in force under a configuration, Triton's default where there is none."""
    return Latest() if config is None else configs.version_policy(config)
