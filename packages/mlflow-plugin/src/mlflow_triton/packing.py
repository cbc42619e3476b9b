"""From a located model to the package that Triton reads, by the flavor that suits it."""

from __future__ import annotations

import logging
from dataclasses import replace

from mlflow_triton.configuring import configured
from mlflow_triton.flavors.choosing import ChosenFlavor, choose_flavor
from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions, UnsuitableModelError
from mlflow_triton.mlmodel import read_mlmodel
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.ports.source import LocatedModel

_logger = logging.getLogger(__name__)


def flavor_input(name: DeploymentName, model: LocatedModel) -> FlavorInput:
    """Return a located model as flavors take it.

    Raises:
        ModelSourceError: it has no ``MLmodel`` file that can be read.
    """
    return FlavorInput(
        name=name,
        files=model.files,
        mlmodel=read_mlmodel(model.files),
        uri=model.uri,
        registry_version=model.registry_version,
        run_files=model.run_files,
    )


def make_package(
    name: DeploymentName,
    model: LocatedModel,
    flavor: str | None,
    options: PackageOptions,
    *,
    is_beside: bool | None = None,
) -> ModelPackage:
    """Turn a located model into what Triton reads.

    Args:
        name: the deployment's name.
        model: the model.
        flavor: the flavor that the user named; None to find the best one.
        options: what the user asks for.
        is_beside: of an ensemble, whether it is there for another model, which settings of flavors
            are for, unless they say otherwise; None: it is deployed by itself.

    Raises:
        InvalidRequestError: no flavor of the model can be deployed, or Triton would refuse it.
        ModelSourceError: a file of the model is missing.
    """
    given = flavor_input(name, model)
    mlmodel = given.mlmodel
    chosen = choose_flavor(mlmodel, flavor, own=() if is_beside else options.own)
    try:
        return _packaged(chosen, given, _options_for(chosen, options, is_beside))
    except UnsuitableModelError as error:
        if flavor:
            raise
        try:
            other = choose_flavor(mlmodel, None, unsuitable=[chosen.name])
            others = _options_for(other, options, is_beside)
            other.require_own_settings(others)
        except (InvalidRequestError, InvalidSettingError):
            raise error from None
        _logger.warning("deploying %s as flavor %s: %s", model.uri, other.name, error.reason)
        return _packaged(other, given, others)


def _options_for(
    chosen: ChosenFlavor, options: PackageOptions, is_beside: bool | None
) -> PackageOptions:
    if is_beside is None:
        return options
    return replace(options, own=chosen.settings_of_step(options, is_beside=is_beside))


def _packaged(chosen: ChosenFlavor, model: FlavorInput, options: PackageOptions) -> ModelPackage:
    # First: a model that is not for this flavor may be for the one that has the settings.
    package = chosen.flavor.package(model, options)
    chosen.require_own_settings(options)
    _logger.info("deploying %s as flavor %s", model.uri, chosen.name)
    return configured(package, model, options)
