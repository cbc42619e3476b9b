"""The way back to a version that served before, of which MLflow is told too."""

from __future__ import annotations

from mlflow_triton.settings import Settings
from triton_deploy_core.deployment import Deployment
from triton_deploy_core.service import DeploymentService


def roll_back(
    service: DeploymentService, name: str, version: int | None, settings: Settings
) -> Deployment:
    """Go back to a version that the repository keeps: see `DeploymentService.rollback`.

    Raises:
        DeployError: it could not be done.
    """
    before = service.find_record(name)
    done = service.rollback(name, version=version)
    if before is not None and settings.tags:
        from mlflow_triton.tagging import Tagging  # noqa: PLC0415 (imports MLflow)

        service.progress.step("telling MLflow")
        Tagging.of(name, settings).rolled_back(done, before.mlflow_model_uri)
    return done
