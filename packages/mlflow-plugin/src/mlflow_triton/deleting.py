"""The end of a deployment, of which MLflow is told too."""

from __future__ import annotations

from mlflow_triton.settings import Settings
from mlflow_triton.tagging import Tagging
from triton_deploy_core.service import DeploymentService


def delete(service: DeploymentService, name: str, settings: Settings) -> None:
    """Remove a deployment; a name that is not there is no error.

    Raises:
        DeployError: it could not be done.
    """
    before = service.find_record(name)
    service.delete(name)
    if before is not None and settings.tags:
        Tagging.of(name, settings).deleted(before.mlflow_model_uri)
