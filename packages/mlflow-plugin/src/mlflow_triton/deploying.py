"""From a model URI to a deployment: locate the model, make its package, hand it to the service.

What is done then is told MLflow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow_triton import bootstrap
from mlflow_triton.configuring import configured
from mlflow_triton.flavors.choosing import ChosenFlavor, choose_flavor
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.settings import Settings
from mlflow_triton.source_uri import without_secrets
from mlflow_triton.tag_carriers import carrier_of
from mlflow_triton.tagging import Tagging
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError
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
    options = settings.package_options
    with _opened(service, model_uri, settings) as model:
        package = make_package(DeploymentName(name), model, flavor, options)
        carrier = carrier_of(model)
        done = service.create(name, package, servers=servers)
    if settings.tags:
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
    options = settings.package_options
    with _opened(service, model_uri, settings) as model:
        package = make_package(DeploymentName(name), model, flavor, options)
        carrier = carrier_of(model)
        done = service.update(
            name,
            package,
            keep_versions=settings.keep_versions,
            force=settings.force,
            servers=settings.servers,
        )
    if settings.tags:
        Tagging.of(name, settings).deployed(done, carrier, before.mlflow_model_uri)
    return done.record


@contextmanager
def _opened(
    service: DeploymentService, model_uri: str, settings: Settings
) -> Iterator[LocatedModel]:
    """Find a model; what is done in the context is called a check until another step begins."""
    service.progress.step(f"finding {without_secrets(model_uri)}")
    with bootstrap.model_source(settings).open(model_uri) as model:
        service.progress.step(f"checking {model.uri}")
        yield model


def make_package(
    name: DeploymentName, model: LocatedModel, flavor: str | None, options: PackageOptions
) -> ModelPackage:
    """Turn a located model into what Triton reads.

    Raises:
        InvalidRequestError: no flavor of the model can be deployed, or Triton would refuse it.
        ModelSourceError: a file of the model is missing.
    """
    mlmodel = read_mlmodel(model.files)
    given = FlavorInput(
        name=name,
        files=model.files,
        mlmodel=mlmodel,
        uri=model.uri,
        registry_version=model.registry_version,
        run_files=model.run_files,
    )
    chosen = choose_flavor(mlmodel, flavor)
    try:
        return _packaged(chosen, given, options)
    except UnsuitableModelError as error:
        if flavor:
            raise
        try:
            other = choose_flavor(mlmodel, None, unsuitable=[chosen.name])
            other.require_own_settings(options)
        except (InvalidRequestError, InvalidSettingError):
            raise error from None
        _logger.warning("deploying %s as flavor %s: %s", model.uri, other.name, error.reason)
        return _packaged(other, given, options)


def _packaged(chosen: ChosenFlavor, model: FlavorInput, options: PackageOptions) -> ModelPackage:
    # First: a model that is not for this flavor may be for the one that has the settings.
    package = chosen.flavor.package(model, options)
    chosen.require_own_settings(options)
    _logger.info("deploying %s as flavor %s", model.uri, chosen.name)
    return configured(package, model, options)
