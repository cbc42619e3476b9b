"""Which files a deployment writes, and in which order: decided before anything is touched."""

from __future__ import annotations

from triton_deploy_core.holdings import Holdings
from triton_deploy_core.package import ModelPackage, TreePackage
from triton_deploy_core.package_files import numbered, usable
from triton_deploy_core.plan import Plan
from triton_deploy_core.planning_fresh import fresh_version_plan
from triton_deploy_core.planning_in_place import in_place_plan
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.version_choice import choose_version, held_version


def plan(
    package: ModelPackage,
    now: Snapshot,
    holdings: Holdings,
    configs: ConfigFormat,
    *,
    keep_versions: int = 1,
) -> Plan:
    """Decide how a package becomes what is served under a name.

    - The layout is ours, and a version directory is just this package already (it serves, or it
      served before): that one serves; only the configuration is written.
    - The layout is ours: a fresh version directory beside those that serve.
    - The layout is the user's, or the user's policy names only versions that serve now: in place.

    Args:
        package: the model.
        now: what there is.
        holdings: what is known of the bytes of that.
        configs: reads and rewrites ``config.pbtxt``.
        keep_versions: how many previous versions stay, where the layout is ours.

    Raises:
        InvalidPackageError: a configuration can't be parsed, or a file can't be where it wants.
        ModelSourceError: a file of the package can't be read.
    """
    if isinstance(package, TreePackage):
        contents, named = usable(package.files), package.named_configs()
        return in_place_plan(
            contents, package.config(), now, holdings, named=named, configs=configs
        )
    serving = policy_of(now.config, configs).visible(now.versions)
    number = held_version(package, holdings, present=now.versions, serving=serving, configs=configs)
    if number is None:
        number = choose_version(package, taken=now.taken, serving=serving, configs=configs)
        if number in serving:
            files = numbered(package, number)
            named = package.named_configs()
            return in_place_plan(files, package.config, now, holdings, named=named, configs=configs)
    return fresh_version_plan(
        package, number, now, holdings, configs=configs, keep_versions=keep_versions
    )
