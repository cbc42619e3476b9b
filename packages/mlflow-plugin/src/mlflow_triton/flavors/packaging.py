"""What every flavor takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from triton_deploy_core.package import ModelPackage, Origin

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.names import DeploymentName
    from triton_deploy_core.ports.source import ModelFiles


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
    """An MLflow model that is to be deployed.

    Attributes:
        name: the deployment's name.
        files: the model's directory, on this machine or in a store. It is never changed.
        mlmodel: what its ``MLmodel`` file says.
        uri: where it came from, as the user wrote it, without secrets.
        registry_version: the registry's version number, where the model came from one.
        run_files: files that were logged to the run at the model's artifact path, with
            ``mlflow.log_artifact(file, <artifact path>)``. Under MLflow 2 they lie in the model's
            directory itself, under MLflow 3 beside it; None where there are none.
    """

    name: DeploymentName
    files: ModelFiles
    mlmodel: MLmodel
    uri: str
    registry_version: int | None = None
    run_files: ModelFiles | None = None

    def origin(self, flavor: str) -> Origin:
        """Return the origin of the package that a flavor makes from this."""
        return Origin(self.uri, flavor, self.registry_version)


class Flavor(Protocol):
    """Turns a model of one flavor into what Triton reads."""

    def package(self, model: FlavorInput, options: PackageOptions) -> ModelPackage:
        """Make the package. Nothing is written; the sources are the model's own files.

        Raises:
            InvalidPackageError: Triton would refuse the model; the error says what to do.
            InvalidSettingError: an option that this model can't have.
            ModelSourceError: a file of the model is missing or can't be read.
        """
        ...
