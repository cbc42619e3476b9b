"""Which parts make up a version of an ensemble: ``<name>/<version>/mlflow-ensemble.json``.

Triton looks for no file in an ensemble's version directory. This one keeps it from being empty,
which object stores can't have, and says which parts a version that is kept needs.
"""

from __future__ import annotations

import re

from triton_deploy_core import noted_parts
from triton_deploy_core.errors import StoreError, StoreUnavailableError
from triton_deploy_core.layout import prefix, version_of
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage, VersionPackage
from triton_deploy_core.ports.store import BlobStore, StoredBlob
from triton_deploy_core.snapshot import Snapshot

CHAIN_FILE = "mlflow-ensemble.json"
"""Its content is that of `noted_parts`."""

_PATH = re.compile(rf"[0-9]+/{re.escape(CHAIN_FILE)}", re.ASCII)


def parts_in(
    store: BlobStore, now: Snapshot, versions: frozenset[int] | None = None
) -> frozenset[DeploymentName]:
    """Return the parts of versions.

    Args:
        store: the repository.
        now: what there is of the ensemble.
        versions: those; None for all that there are, served or kept.
    """
    found: set[DeploymentName] = set()
    for path in filter(_PATH.fullmatch, now.files):
        if versions is not None and version_of(path) not in versions:
            continue
        try:
            data = store.read(prefix(now.name) + path).data
        except StoreUnavailableError:
            raise
        except StoreError:
            continue  # gone meanwhile, or far too large to be one
        found.update(noted_parts.decode(data, now.name))
    return frozenset(found)


def listed_in(
    store: BlobStore, package: ModelPackage, owner: DeploymentName
) -> tuple[DeploymentName, ...]:
    """Return the parts of a package that is a version which the repository keeps.

    Args:
        store: the repository.
        package: any package; one whose files are not the ensemble's own has none.
        owner: the ensemble.
    """
    source = package.files.get(CHAIN_FILE) if isinstance(package, VersionPackage) else None
    if not (isinstance(source, StoredBlob) and source.key.startswith(prefix(owner))):
        return ()
    return noted_parts.decode(store.read(source.key).data, owner)
