"""What every flavor takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triton_deploy_core.package import ModelPackage, Origin

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.names import DeploymentName


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """What the user asks of a package, most of it of a generated ``config.pbtxt``.

    None leaves it to the flavor.

    Attributes:
        max_batch_size: Triton's ``max_batch_size``; 0 turns batching off.
        instance_count: how many instances of the model run on each device.
        dynamic_batching: whether Triton joins requests to batches.
        check: whether to refuse what Triton would refuse. What can't be deployed at all, such as a
            link that leaves the model, is refused either way.
    """

    max_batch_size: int | None = None
    instance_count: int | None = None
    dynamic_batching: bool | None = None
    check: bool = True

    def named(self) -> tuple[str, ...]:
        """Return the names of the options for a generated configuration that were given."""
        return tuple(
            name
            for name in ("max_batch_size", "instance_count", "dynamic_batching")
            if getattr(self, name) is not None
        )


@dataclass(frozen=True, slots=True)
class FlavorInput:
    """An MLflow model on this machine that is to be deployed.

    Attributes:
        name: the deployment's name.
        path: the model's directory. It may be the store's own place: it is never changed.
        mlmodel: what its ``MLmodel`` file says.
        uri: where it came from, as the user wrote it, without secrets.
        registry_version: the registry's version number, where the model came from one.
        run_files: files that were logged to the run at the model's artifact path, with
            ``mlflow.log_artifact(file, <artifact path>)``: relative name → local path. Under
            MLflow 2 they lie in the model's directory itself, under MLflow 3 beside it.
    """

    name: DeploymentName
    path: Path
    mlmodel: MLmodel
    uri: str
    registry_version: int | None = None
    run_files: Mapping[str, Path] = field(default_factory=dict)

    def origin(self, flavor: str) -> Origin:
        """Return the origin of the package that a flavor makes from this."""
        return Origin(self.uri, flavor, self.registry_version)


class Flavor(Protocol):
    """Turns a model of one flavor into what Triton reads."""

    def package(self, model: FlavorInput, options: PackageOptions) -> ModelPackage:
        """Make the package. Nothing is written; the sources lie in the model's directory.

        Raises:
            InvalidPackageError: Triton would refuse the model; the error says what to do.
            InvalidSettingError: an option that this model can't have.
            ModelSourceError: a file of the model is missing or can't be read.
        """
        ...
