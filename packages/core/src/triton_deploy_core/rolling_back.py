"""Going back to a version that served before and that the repository keeps."""

from __future__ import annotations

from triton_deploy_core import layout
from triton_deploy_core.errors import NoPreviousVersionError
from triton_deploy_core.holdings import Holdings
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.store import StoredBlob
from triton_deploy_core.snapshot import Snapshot

_URI = "Update it with the URI of the model to go back to; of files that are kept none is sent."


def earlier_package(
    now: Snapshot, holdings: Holdings, configs: ConfigFormat, *, version: int | None = None
) -> tuple[int, VersionPackage]:
    """Return a version that served before, and the package that it was.

    All but its small files is where it has to be already.

    Args:
        now: what there is.
        holdings: what is known of the bytes of that.
        configs: reads configurations.
        version: which one; the one that served last if left out.

    Raises:
        NoPreviousVersionError: there is none, or not all of it is there.
    """
    serving = policy_of(now.config, configs).visible(now.versions)
    kept = holdings.by_age(now.versions - serving, last=())
    if not kept:
        raise NoPreviousVersionError(
            f"The repository keeps no previous version of '{now.name}': it was deployed once, with "
            f"keep_versions=0, or in a layout of its user's. {_URI}"
        )
    number = kept[-1] if version is None else version
    there = ", ".join(map(str, sorted(kept)))
    if number not in kept:
        raise NoPreviousVersionError(
            f"'{now.name}' has no previous version {number} in the repository, but {there}. "
            f"Choose one of these. {_URI}"
        )
    remembered = holdings.digests.remembered.get(number)
    if remembered is None:
        raise NoPreviousVersionError(
            f"How version {number} of '{now.name}' was deployed is not written down: another tool "
            f"did it, or an older release of this one. {_URI}"
        )
    own = f"{number}/"
    files = [path for path in now.files if path.startswith(own)]
    wrong = holdings.changed(remembered.large | holdings.written_below(own))
    if wrong:
        raise NoPreviousVersionError(
            f"Version {number} of '{now.name}' is not what it was: {', '.join(sorted(wrong)[:3])} "
            f"was changed or removed since. {_URI}"
        )
    start = layout.prefix(now.name)
    stored = {path: StoredBlob(start + path, now.files[path].size) for path in files}
    large = {path: StoredBlob(start + path, now.files[path].size) for path in remembered.large}
    package = remembered.package({path[len(own) :]: blob for path, blob in stored.items()}, large)
    return number, package
