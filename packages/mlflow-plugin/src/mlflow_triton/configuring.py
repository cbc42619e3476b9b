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
from triton_deploy_core.errors import InvalidInputError, InvalidSettingError
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content, Source
from triton_deploy_transport.pbtxt import ModelConfig, parse, to_text
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
    if not (options.changes or options.warmup):
        return package
    laid_out = _LaidOut.of(package)
    config = _changed(laid_out, model, options)
    files = _warmup(config, model) if options.warmup else {}
    done = laid_out.with_config(to_text(config), files)
    if options.check:
        problems = check_tree(done.tree(), [str(model.name)])
        refuse_problems(problems, "the model with these settings")
    return done.package


def _changed(laid_out: _LaidOut, model: FlavorInput, options: PackageOptions) -> ModelConfig:
    written = laid_out.config
    config = ModelConfig() if written is None else parse(written)
    fixed = _FIXED if laid_out.is_users else {**_FIXED, "version_policy": _POLICY}
    named = config.name
    config.name = str(model.name)  # a file that says so too says nothing wrong
    changed = config if options.changes is None else options.changes.over(config, fixed)
    changed.name = named
    return changed


def _warmup(config: ModelConfig, model: FlavorInput) -> dict[str, bytes]:
    example = read_input_example(model.files, model.mlmodel.input_example)
    if not config.input:
        raise InvalidSettingError(
            "warmup=true can't be had: the model's config.pbtxt names no inputs. Write them "
            "there, or leave the setting out."
        )
    signature = ModelSignature(
        described(config, str(model.name)),
        max_batch_size=config.max_batch_size,
        optional=frozenset(tensor.name for tensor in config.input if tensor.optional),
    )
    try:
        given = to_inputs(example, signature)
        rows = slice(0, config.max_batch_size or None)
        return add_warmup(config, SAMPLE, {name: array[rows] for name, array in given.items()})
    except InvalidInputError as error:
        raise InvalidSettingError(
            f"warmup=true can't be had with the model's input example. {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class _LaidOut:
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
    def of(cls, package: ModelPackage) -> _LaidOut:
        if isinstance(package, TreePackage):
            return cls(package, package.config(), is_users=True)
        return cls(package, package.config, package.config_is_verbatim)

    def with_config(self, config: bytes, beside: Mapping[str, bytes]) -> _LaidOut:
        more: dict[str, Source] = {path: Content(data) for path, data in beside.items()}
        package = self.package
        if isinstance(package, TreePackage):
            files = {**package.files, **more, CONFIG_FILE: Content(config)}
            return replace(self, package=replace(package, files=files), config=config)
        changed = replace(package, config=config, beside={**package.beside, **more})
        return replace(self, package=changed, config=config)

    def tree(self) -> ModelTree[Source]:
        """The model's directory, as it would be with some version."""
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
