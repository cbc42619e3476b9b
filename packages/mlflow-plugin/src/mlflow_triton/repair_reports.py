"""Repair, as MLflow's users ask for it: one deployment by ``update -C repair=true``, or all."""

from __future__ import annotations

from mlflow_triton.descriptions import one_line
from mlflow_triton.settings import Settings
from triton_deploy_core.errors import DeployError, InvalidSettingError
from triton_deploy_core.records import Record
from triton_deploy_core.repairing import Outcome, Repair
from triton_deploy_core.service import DeploymentService


def repair(service: DeploymentService, name: str | None, settings: Settings) -> list[Repair]:
    """Repair a deployment, or all; tell MLflow of what was not as it should be.

    Raises:
        DeployError: it could not be done.
    """
    reports = service.repair(name)
    to_tag = {Outcome.REPAIRED} if name is None else {Outcome.REPAIRED, Outcome.FINE}
    for report in reports if settings.tags else ():
        if report.outcome in to_tag and not _tag(service, report.name, settings):
            break  # who did not answer once is not asked for each of a thousand
    return reports


def _tag(service: DeploymentService, name: str, settings: Settings) -> bool:
    from mlflow_triton.tagging import Tagging  # noqa: PLC0415 (slow)

    try:
        deployment = service.get(name)
    except DeployError:  # nothing of the name is left, or it can't be asked now
        return True
    return Tagging.of(name, settings).repaired(deployment)


def repair_one(
    service: DeploymentService, name: str, model_uri: str | None, settings: Settings
) -> Record:
    """Repair a deployment and return its record.

    Raises:
        DeployError: it could not be done; or the caller also named a model.
    """
    if model_uri:
        raise InvalidSettingError(
            "-C repair=true brings back what is deployed, so it takes no model URI. Leave out "
            "--model-uri, or leave out repair."
        )
    (report,) = repair(service, name, settings)
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


def described(report: Repair) -> str:
    """Return that as a line."""
    shown = describe_repair(report)
    words = [shown["outcome"], shown.get("done", ""), shown.get("problem", "")]
    return f"{report.name}: {': '.join(filter(None, words))}"
