"""A model configuration as Triton's JSON has it: what the user wrote, and what that leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_deploy_core.ports.config_format import AllVersions, Latest
from triton_deploy_core.testing.config_format import policy_of


def json_config(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration in force, with what Triton fills in."""
    return {
        "platform": "",
        "backend": "",
        "max_batch_size": 0,
        "input": [],
        "output": [],
        "instance_group": [{"name": name, "kind": "KIND_CPU", "count": 1}],
        "parameters": {},
        **config,
        "name": name,
        "version_policy": _json_policy(config),
    }


def _json_policy(config: Mapping[str, Any]) -> dict[str, Any]:
    policy = policy_of(config)
    if isinstance(policy, AllVersions):
        return {"all": {}}
    if isinstance(policy, Latest):
        return {"latest": {"num_versions": policy.count}}
    return {"specific": {"versions": sorted(policy.versions)}}
