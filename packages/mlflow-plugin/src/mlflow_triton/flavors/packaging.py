"""What every flavor takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.package import ModelPackage, Origin

if TYPE_CHECKING:
    from mlflow_triton.mlmodel import MLmodel
    from triton_deploy_core.names import DeploymentName
    from triton_deploy_core.ports.source import ModelFiles
    from triton_deploy_transport.config_changes import ConfigChange, ConfigChanges


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
        local_server: whether the server is a process of this machine's user (``run-local``), so
            that what a model needs may be installed here.
        own: the settings that flavors declare (`Flavor.settings`), as far as they were given.
        changes: what is merged over the configuration, whichever flavor it comes from. No flavor
            has to look at it: see `mlflow_triton.configuring`.
        hardware: name of a kind of hardware → what is merged over the configuration for it.
        warmup: whether Triton runs the model's input example on each version before it serves.
    """

    max_batch_size: int | None = None
    instance_count: int | None = None
    dynamic_batching: bool | None = None
    check: bool = True
    local_server: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)
    changes: ConfigChanges | None = None
    hardware: Mapping[str, ConfigChange] = field(default_factory=dict)
    warmup: bool = False

    def named(self) -> tuple[str, ...]:
        """Return the names of the options for a generated configuration that were given."""
        return tuple(
            name
            for name in ("max_batch_size", "instance_count", "dynamic_batching")
            if getattr(self, name) is not None and not self._is_merged(name)
        )

    def _is_merged(self, name: str) -> bool:
        return self.changes is not None and name in self.changes.fields


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


class Fit(IntEnum):
    """How well a flavor suits a model. Without ``--flavor`` the best one is taken."""

    NONE = 0
    """The model is not of this flavor."""
    ON_REQUEST = 1
    """It can be deployed so, but only where the user names the flavor."""
    GENERAL = 2
    """It can be deployed so, where no flavor is made for it."""
    NATIVE = 3
    """The flavor is made for models of this kind."""


@dataclass(frozen=True, slots=True)
class FlavorSetting:
    """A setting of one flavor: ``-C key=value`` of create, update and run-local.

    Attributes:
        key: its name, which no other setting has.
        parse: makes the value of text, or raises a `ValueError` that says what it has to be.
        value: what stands for the value in help: ``PATH``, ``true|false``.
        help: one or two sentences, with the default.
        for_all_steps: of an ensemble, whether it is for each model of the flavor, and not just for
            the one that the others are there for.
        chooses: whether to give it is to ask for its flavor, as ``--flavor`` does.
    """

    key: str
    parse: Callable[[str], Any]
    value: str
    help: str
    for_all_steps: bool = False
    chooses: bool = False


class UnsuitableModelError(InvalidPackageError):
    """A model of the flavor's kind that can't be deployed so, but perhaps as another flavor.

    Attributes:
        reason: the message without what to do, for where that has been done already.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Say why, and what to do where no other flavor takes the model by itself."""
        super().__init__(f"{reason} {remedy}".rstrip())
        self.reason = reason


def unsuitable(backend: str, reason: str, remedy: str = "") -> UnsuitableModelError:
    """Return the error for a model that a backend of Triton can't serve as it is.

    A remedy is a way to have it served there all the same.
    """
    what = f"Triton's {backend} backend can't serve this model: {reason}."
    if not remedy:
        return UnsuitableModelError(what, "Deploy it with --flavor pyfunc.")
    return UnsuitableModelError(f"{what} {remedy}.", "Or deploy it with --flavor pyfunc.")


class Flavor(ABC):
    """Turns models of one kind into what Triton reads.

    It is registered as an entry point of the group `registry.GROUP`, which names an instance; the
    entry point's name is the flavor's. Its module is imported to find out whether it fits, so that
    what it works with is best imported in `package`.

    Attributes:
        help: for ``mlflow deployments help -t triton``: what is deployed so, and how.
        settings: settings of its own.
    """

    help: ClassVar[str]
    settings: ClassVar[Sequence[FlavorSetting]] = ()

    @abstractmethod
    def fit(self, mlmodel: MLmodel) -> Fit:
        """Tell how well this flavor suits a model, by its ``MLmodel`` file alone."""

    @abstractmethod
    def package(self, model: FlavorInput, options: PackageOptions) -> ModelPackage:
        """Make the package. Nothing is written; the sources are the model's own files.

        Raises:
            InvalidPackageError: Triton would refuse the model; the error says what to do.
            UnsuitableModelError: this model can't be deployed so, which its ``MLmodel`` file
                does not show. The next best flavor is taken, unless the user named this one.
            InvalidSettingError: an option that this model can't have.
            ModelSourceError: a file of the model is missing or can't be read.
        """

    def needs(self, model: FlavorInput, options: PackageOptions) -> Sequence[str]:  # noqa: ARG002
        """Return what the server has to have beside the backend: a sentence each, for a check."""
        return ()
