"""From a model URI to a deployment: locate the model, make its package, hand it to the service.

What is done then is told MLflow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mlflow_triton import bootstrap
from mlflow_triton.flavors.pyfunc import ENVIRONMENT, PACKED
from mlflow_triton.packing import make_package
from mlflow_triton.settings import Settings
from mlflow_triton.source_uri import without_secrets
from mlflow_triton.tag_carriers import carrier_of
from mlflow_triton.tagging import Tagging
from triton_deploy_core.ensembles.package import EnsemblePackage
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.ports.source import LocatedModel
from triton_deploy_core.records import Record
from triton_deploy_core.service import DeploymentService

_logger = logging.getLogger(__name__)


def create(
    service: DeploymentService,
    name: str,
    model_uri: str,
    flavor: str | None,
    settings: Settings,
) -> Record:
    """Deploy a model under a new name and return its record.

    Raises:
        DeployError: it could not be done; nothing was left behind.
    """
    servers = settings.servers or ""
    service.require_new(name, servers=servers)
    with _opened(service, model_uri, settings) as model:
        carrier = carrier_of(model) if settings.tags else None
        with _package(service, name, model, flavor, settings) as package:
            done = service.create(name, package, servers=servers)
    if settings.tags:
        service.progress.step("telling MLflow")
        Tagging.of(name, settings).deployed(done, carrier)
    return done.record


def update(
    service: DeploymentService,
    name: str,
    model_uri: str | None,
    flavor: str | None,
    settings: Settings,
) -> Record:
    """Replace the model that a name serves and return the new record.

    Without a model URI the model that is deployed now is deployed again, with these settings.

    Raises:
        DeployError: it could not be done; the old model still serves.
    """
    before = service.require_existing(name, servers=settings.servers)
    if not model_uri:
        model_uri, flavor = before.mlflow_model_uri, flavor or before.flavor
    if before.parts and not settings.steps:
        _logger.warning(
            "'%s' was an ensemble, and this update makes it %s alone: name preprocess and "
            "postprocess again to keep them",
            name,
            without_secrets(model_uri),
        )
    with _opened(service, model_uri, settings) as model:
        carrier = carrier_of(model) if settings.tags else None
        with _package(service, name, model, flavor, settings) as package:
            done = service.update(
                name,
                package,
                keep_versions=settings.keep_versions,
                force=settings.force,
                servers=settings.servers,
            )
    if settings.tags:
        service.progress.step("telling MLflow")
        Tagging.of(name, settings).deployed(done, carrier, before.mlflow_model_uri)
    return done.record


@contextmanager
def _opened(
    service: DeploymentService, model_uri: str, settings: Settings
) -> Iterator[LocatedModel]:
    """Find a model; what is done in the context is called a check until another step begins."""
    service.progress.step(f"finding {without_secrets(model_uri)}")
    with bootstrap.model_source(settings).open(model_uri) as model:
        is_packed = settings.package_options.own.get(ENVIRONMENT) == PACKED
        more = ", and packing what it needs" if is_packed else ""
        service.progress.step(f"checking {model.uri}{more}")
        yield model


@contextmanager
def _package(
    service: DeploymentService,
    name: str,
    model: LocatedModel,
    flavor: str | None,
    settings: Settings,
) -> Iterator[ModelPackage | EnsemblePackage]:
    """Make the package of a model, or of all models that the settings chain with it."""
    options = settings.package_options
    if not settings.steps:
        yield make_package(DeploymentName(name), model, flavor, options)
        return
    from mlflow_triton.ensemble_packaging import (  # noqa: PLC0415 (imports protobuf)
        MODEL,
        StepModel,
        chained,
        make_ensemble,
    )

    with ExitStack() as stack:
        steps = chained(
            settings.steps,
            StepModel(MODEL, model, flavor),
            lambda uri: stack.enter_context(_opened(service, uri, settings)),
        )
        yield make_ensemble(DeploymentName(name), steps, options)
