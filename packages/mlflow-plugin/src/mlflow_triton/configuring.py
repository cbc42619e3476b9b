"""The configuration of a package, as its user wants it: what every flavor's passes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_triton.input_example import read_input_example
from mlflow_triton.layout_check import check_tree, refuse_problems
from mlflow_triton.predict_inputs import to_inputs
from mlflow_triton.predict_signature import ModelSignature
from triton_deploy_core.errors import (
    InvalidInputError,
    InvalidPackageError,
    InvalidSettingError,
)
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content, Source
from triton_deploy_transport.config_changes import ConfigChange, ConfigChanges
from triton_deploy_transport.pbtxt import ModelConfig, PbtxtFormat, as_json, parse, to_text
from triton_deploy_transport.warmup import add_warmup, described

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions

SAMPLE = "input_example"
"""The name of the warm-up sample."""

_FLAVORS = "the flavor decides what runs the model (--flavor)"
_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "name": "it is the name of the deployment (--name)",
        "backend": _FLAVORS,
        "platform": _FLAVORS,
    }
)
_POLICY = "the deployment chooses the version, so that an update is never half seen"


def configured(package: ModelPackage, model: FlavorInput, options: PackageOptions) -> ModelPackage:
    """Return a package with what its user wants of the configuration.

    Raises:
        InvalidSettingError: a field that can't be changed, or a warm-up that can't be had.
        InvalidPackageError: Triton would refuse what comes of it.
        ModelSourceError: the input example can't be read.
    """
    laid_out = LaidOut.of(package)
    is_touched = bool(options.changes or options.warmup or options.hardware)
    if not (is_touched or package.named_configs()):
        return package
    config = _changed(laid_out, model, options)
    files = _warmup(config, model) if options.warmup else {}
    files |= _for_hardware(laid_out, config, options.hardware)
    text = to_text(config) if options.changes or options.warmup else laid_out.config
    done = laid_out.with_config(text, files)
    if options.check:
        problems = check_tree(done.tree(), [str(model.name)], model.files)
        refuse_problems(problems, "the model with these settings")
    return done.package


def _changed(laid_out: LaidOut, model: FlavorInput, options: PackageOptions) -> ModelConfig:
    written = laid_out.config
    config = ModelConfig() if written is None else parse(written)
    fixed = _FIXED if laid_out.is_users else {**_FIXED, "version_policy": _POLICY}
    named = config.name
    config.name = str(model.name)  # a file that says so too says nothing wrong
    changed = config if options.changes is None else options.changes.over(config, fixed)
    changed.name = named
    return changed


def _for_hardware(
    laid_out: LaidOut, config: ModelConfig, given: Mapping[str, ConfigChange]
) -> dict[str, bytes]:
    """Return ``configs/<name>.pbtxt``, by path: those that were logged, and those that are given.

    Args:
        laid_out: the package.
        config: what they are merged over. One that was logged beside a configuration of its user's
            is complete, and stays as it is.
        given: name → what is merged.
    """
    changes = {f"configs/{name}.pbtxt": change for name, change in given.items()}
    for path, text in laid_out.package.named_configs().items():
        if path in changes:
            continue
        if not laid_out.is_users:
            changes[path] = ConfigChange.of_file(text, f"{path}, logged with the model")
        elif isinstance(laid_out.package, VersionPackage):
            _require_same_policy(path, text, config)
    fixed = {**_FIXED, "version_policy": _POLICY}
    return {
        path: to_text(ConfigChanges((change,)).over(config, fixed))
        for path, change in changes.items()
    }


def _require_same_policy(path: str, text: bytes, config: ModelConfig) -> None:
    """Make sure that servers for some hardware serve the version that all the others serve.

    Raises:
        InvalidPackageError: they would not.
    """
    if PbtxtFormat().version_policy(text) != PbtxtFormat().version_policy(to_text(config)):
        raise InvalidPackageError(
            f"{path}, logged with the model, has another version_policy than its {CONFIG_FILE}: a "
            "server that reads it would serve another version, and an update could be half seen. "
            "Make them the same, and log the model again."
        )


def _warmup(config: ModelConfig, model: FlavorInput) -> dict[str, bytes]:
    example = read_input_example(model.files, model.mlmodel.input_example)
    if not config.input:
        raise InvalidSettingError(
            "warmup=true can't be had: the model's config.pbtxt names no inputs. Write them "
            "there, or leave the setting out."
        )
    signature = ModelSignature.of(described(config, str(model.name)), as_json(config))
    try:
        given = to_inputs(example, signature)
        rows = slice(0, config.max_batch_size or None)
        return add_warmup(config, SAMPLE, {name: array[rows] for name, array in given.items()})
    except InvalidInputError as error:
        raise InvalidSettingError(
            f"warmup=true can't be had with the model's input example. {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A package of either kind.

    Attributes:
        package: it.
        config: its configuration.
        is_users: whether its user wrote that, the version policy included.
    """

    package: ModelPackage
    config: bytes | None
    is_users: bool

    @classmethod
    def of(cls, package: ModelPackage) -> LaidOut:
        """Lay out a package."""
        if isinstance(package, TreePackage):
            return cls(package, package.config(), is_users=True)
        return cls(package, package.config, package.config_is_verbatim)

    def with_config(self, config: bytes | None, beside: Mapping[str, bytes]) -> LaidOut:
        """Return it with another configuration, and with more files beside the versions."""
        more: dict[str, Source] = {path: Content(data) for path, data in beside.items()}
        package = self.package
        if isinstance(package, TreePackage):
            own = {} if config is None else {CONFIG_FILE: Content(config)}
            files = {**package.files, **more, **own}
            return replace(self, package=replace(package, files=files), config=config)
        changed = replace(package, config=config, beside={**package.beside, **more})
        return replace(self, package=changed, config=config)

    def tree(self) -> ModelTree[Source]:
        """Return the model's directory, as it would be with some version."""
        package = self.package
        if isinstance(package, TreePackage):
            markers = [path.rstrip("/") for path in package.files if path.endswith("/")]
            files = {path: file for path, file in package.files.items() if not path.endswith("/")}
            return ModelTree.of_files(files).with_directories(markers)
        return _tree_of(package)


def _tree_of(package: VersionPackage) -> ModelTree[Source]:
    config = package.config or b""
    number = min(parse(config).version_policy.specific.versions, default=1)
    versioned = {f"{number}/{path}": source for path, source in package.files.items()}
    return ModelTree.of_files({**package.beside, **versioned, CONFIG_FILE: Content(config)})
