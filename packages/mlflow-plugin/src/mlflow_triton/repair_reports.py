"""Repair, as MLflow's users ask for it: one deployment by ``update -C repair=true``, or all."""

from __future__ import annotations

from mlflow_triton.descriptions import one_line
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.records import Record
from triton_deploy_core.repairing import Repair
from triton_deploy_core.service import DeploymentService


def repair_one(service: DeploymentService, name: str, model_uri: str | None) -> Record:
    """Repair a deployment and return its record.

    Raises:
        DeployError: it could not be done; or the caller also named a model.
    """
    if model_uri:
        raise InvalidSettingError(
            "-C repair=true brings back what is deployed, so it takes no model URI. Leave out "
            "--model-uri, or leave out repair."
        )
    (report,) = service.repair(name)
    if report.error is not None:
        raise report.error
    return service.require_existing(name)


def describe_repair(report: Repair) -> dict[str, str]:
    """Return what the repair of one name did, as MLflow's users see it."""
    shown = {"name": report.name, "outcome": report.outcome.value}
    if report.done:
        shown["done"] = "; ".join(report.done)
    if report.error is not None:
        shown["problem"] = one_line(str(report.error))
    return shown
