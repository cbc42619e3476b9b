"""What there is to show of an ensemble's parts."""

from __future__ import annotations

from triton_deploy_core.deployment import Deployment
from triton_deploy_core.differences import Difference, Kind
from triton_deploy_core.errors import DamagedRecordError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.records import Record
from triton_deploy_core.snapshot import read_record


def with_parts(deployment: Deployment, store: BlobStore) -> Deployment:
    """Return a deployment with the models that its parts are; those that are gone do not agree."""
    parts = {}
    gone = []
    for part in filter(DeploymentName.is_valid, deployment.record.parts):
        record = _record(store, DeploymentName(part))
        if record is not None and record.part_of == deployment.name:
            parts[part] = record.mlflow_model_uri
        else:
            gone.append(Difference(Kind.FILES, f"its part '{part}' is gone: update it"))
    shown = deployment.with_differences((*deployment.differences, *gone))
    return shown.with_parts(parts)


def _record(store: BlobStore, part: DeploymentName) -> Record | None:
    try:
        return read_record(store, part)
    except DamagedRecordError:
        return None
