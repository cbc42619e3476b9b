"""An ensemble's package: one of each model, and how a request goes through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_triton.ensemble_config import batch_limit, generate_config
from mlflow_triton.ensemble_tensors import EnsembleStep
from mlflow_triton.ensemble_wiring import wire
from mlflow_triton.flavors.registry import Registry
from mlflow_triton.packing import make_package
from triton_deploy_core.ensembles.package import EnsemblePackage, Step
from triton_deploy_core.errors import InvalidPackageError, InvalidRequestError, InvalidSettingError
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_transport.pbtxt import parse, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions
    from mlflow_triton.settings import StepSetting
    from triton_deploy_core.names import DeploymentName
    from triton_deploy_core.ports.source import LocatedModel

MODEL = "model"


@dataclass(frozen=True, slots=True)
class StepModel:
    """A model that is to be a step.

    Attributes:
        role: ``preprocess``, ``model`` or ``postprocess``.
        model: where it is.
        flavor: the flavor that the user named; None to find the best one.
    """

    role: str
    model: LocatedModel
    flavor: str | None = None


def chained(
    steps: Sequence[StepSetting], middle: StepModel, locate: Callable[[str], LocatedModel]
) -> list[StepModel]:
    """Return the models of a chain, in the order in which a request passes through them.

    Args:
        steps: those that the settings name.
        middle: the model that they are there for.
        locate: finds a model by its URI.
    """

    def of(role: str) -> list[StepModel]:
        return [
            StepModel(role, locate(step.uri), step.flavor) for step in steps if step.role == role
        ]

    return [*of("preprocess"), middle, *of("postprocess")]


def make_ensemble(
    name: DeploymentName, models: Sequence[StepModel], options: PackageOptions
) -> EnsemblePackage:
    """Turn located models into one ensemble.

    What the user asks of the configuration is for the model in the middle; the batch limit, and
    settings of a flavor that each of its models needs, are for all steps.

    Raises:
        InvalidRequestError: see `make_package`; or the steps do not fit each other.
        ModelSourceError: a file of a model is missing.
    """
    own = [_options(one, options) for one in models]
    packages = [_package(name, one, given) for one, given in zip(models, own, strict=True)]
    _require_used(options, packages)
    steps = _read(models, packages)
    if options.max_batch_size is None and not batch_limit(steps):
        # A limit that one step has by default would be the whole ensemble's, unknown to clients.
        packages = [
            _unlimited(name, one, given, package)
            for one, given, package in zip(models, own, packages, strict=True)
        ]
        steps = _read(models, packages)
    wiring = wire(steps)
    middle = next(package for one, package in zip(models, packages, strict=True) if _is_middle(one))
    return EnsemblePackage(
        middle.origin,
        tuple(Step(one.role, package) for one, package in zip(models, packages, strict=True)),
        lambda names: generate_config(steps, wiring, names),
    )


def _require_used(options: PackageOptions, packages: Sequence[ModelPackage]) -> None:
    """Make sure that each setting of a flavor is for one of the models."""
    registry = Registry.installed()
    flavors = [registry.load(name) for name in {package.origin.flavor for package in packages}]
    known = {setting.key for flavor in flavors for setting in flavor.settings}
    unused = sorted(options.own.keys() - known)
    if unused:
        raise InvalidSettingError(
            f"No model of the ensemble has a setting {unused[0]}. Leave it out, or name the flavor "
            "that has it (--flavor, preprocess_flavor, postprocess_flavor)."
        )


def _is_middle(one: StepModel) -> bool:
    return one.role == MODEL


def _options(one: StepModel, options: PackageOptions) -> PackageOptions:
    if _is_middle(one):
        return options
    return replace(
        options,
        instance_count=None,
        dynamic_batching=None,
        changes=None,
        hardware={},
        warmup=False,
    )


def _package(name: DeploymentName, one: StepModel, options: PackageOptions) -> ModelPackage:
    try:
        return _nameless(
            make_package(name, one.model, one.flavor, options, is_beside=not _is_middle(one))
        )
    except InvalidRequestError as error:
        if not _is_middle(one):
            error.amend(f"It is {_label(one)}.")
        raise


def _unlimited(
    name: DeploymentName, one: StepModel, options: PackageOptions, package: ModelPackage
) -> ModelPackage:
    """Return a generated package without a batch limit, where the model can do without."""
    if not isinstance(package, VersionPackage) or package.config_is_verbatim:
        return package
    if parse(package.config or b"").max_batch_size == 0 or options.dynamic_batching:
        return package
    try:
        return _package(name, one, replace(options, max_batch_size=0))
    except InvalidSettingError:
        return package


def _nameless(package: ModelPackage) -> ModelPackage:
    """Return a package whose configuration leaves the name to the directory."""
    written = package.config() if isinstance(package, TreePackage) else package.config
    if written is None:
        return package
    config = parse(written)
    if not config.name:
        return package
    config.name = ""
    if isinstance(package, TreePackage):
        return replace(package, files={**package.files, CONFIG_FILE: Content(to_text(config))})
    return replace(package, config=to_text(config))


def _read(models: Sequence[StepModel], packages: Sequence[ModelPackage]) -> list[EnsembleStep]:
    return [_step(one, package) for one, package in zip(models, packages, strict=True)]


def _step(one: StepModel, package: ModelPackage) -> EnsembleStep:
    written = package.config() if isinstance(package, TreePackage) else package.config
    config = parse(written or b"")
    step = EnsembleStep.of(_label(one), config)
    if not (step.inputs and step.outputs):
        raise InvalidPackageError(
            f"The {CONFIG_FILE} of {step.label} does not name its inputs and outputs, so it can't "
            "be a step of an ensemble. Write them there."
        )
    if config.model_transaction_policy.decoupled:
        raise InvalidPackageError(
            f"{step.label} answers a request any number of times (decoupled), which an ensemble "
            "can't pass on here. Deploy it by itself."
        )
    return step


def _label(one: StepModel) -> str:
    return f"{one.role} {one.model.uri}"
