"""Which of Triton's version numbers a package gets."""

from __future__ import annotations

from triton_deploy_core import layout
from triton_deploy_core.holdings import Holdings
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import (
    AllVersions,
    ConfigFormat,
    Latest,
    Specific,
    VersionPolicy,
)


def held_version(
    package: VersionPackage,
    holdings: Holdings,
    *,
    present: frozenset[int],
    serving: frozenset[int],
    configs: ConfigFormat,
) -> int | None:
    """Return the version that is just this package already and that its policy can serve.

    The one that serves, else the one that served last; None where there is none.
    """
    policy = _policy(package, configs)
    matching = [
        number
        for number in holdings.by_age(present, last=serving)
        if policy.visible({number}) == {number} and holdings.has_version(number, package.files)
    ]
    return matching[-1] if matching else None


def choose_version(
    package: VersionPackage,
    *,
    taken: frozenset[int],
    serving: frozenset[int],
    configs: ConfigFormat,
) -> int:
    """Return a number for files that no version holds yet.

    The registry's number where it is free and would be served, else the next higher one. A user's
    policy of certain versions leaves only these: a free one, one that nobody sees now, or, as the
    last resort, the one that serves.
    """
    wanted = package.origin.registry_version or 1
    policy = _policy(package, configs)
    if isinstance(policy, Specific):
        allowed = frozenset(filter(layout.is_version, policy.versions))
        for choices in filter(None, (allowed - taken, allowed - serving, allowed)):
            return wanted if wanted in choices else min(choices)
    if isinstance(policy, Latest):
        # The highest number is the one that is served for sure.
        wanted = max({wanted, *(version + 1 for version in taken)})
    while wanted in taken:
        wanted += 1
    layout.require_loadable([f"{wanted}/"], package.origin.model_uri)
    return wanted


def _policy(package: VersionPackage, configs: ConfigFormat) -> VersionPolicy:
    """The policy that leaves a choice: any number will do where the configuration is ours."""
    if not package.config_is_verbatim:
        return AllVersions()
    return policy_of(package.config, configs)
