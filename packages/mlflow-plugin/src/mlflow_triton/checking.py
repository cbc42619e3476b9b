"""What would be deployed of a model, and all that is wrong with it: nothing is touched."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow_triton import bootstrap
from mlflow_triton.configuring import LaidOut
from mlflow_triton.ensemble_packaging import MODEL, StepModel, chained, make_ensemble
from mlflow_triton.flavors.registry import Registry
from mlflow_triton.layout_check import check_layout, check_tree
from mlflow_triton.layout_check_tree import read_tree
from mlflow_triton.mlmodel import MLMODEL_FILE
from mlflow_triton.packing import flavor_input, make_package
from mlflow_triton.publish_request import deployment_name
from mlflow_triton.settings import Settings
from triton_deploy_core.errors import (
    InvalidNameError,
    InvalidPackageError,
    InvalidRequestError,
    InvalidSettingError,
)
from triton_deploy_core.names import DeploymentName, part_name
from triton_deploy_core.package import CONFIG_FILE, ModelPackage, VersionPackage
from triton_deploy_core.ports.source import LocatedModel
from triton_deploy_core.problems import Problem

_REGISTERED = re.compile(r"models:/+([^/@]+)")
_LAID_OUT = "triton"


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a model before it is deployed.

    Attributes:
        model: as its user wrote it.
        name: the deployment's name.
        flavor: as which flavor it would be deployed; None where it is not fit for any.
        files: path in the deployment's directory → size in bytes; of an ensemble, path in the
            repository.
        config: the text of ``config.pbtxt``; None where there is none.
        problems: all that Triton would refuse.
        needs: what the server has to have, which only the server knows.
    """

    model: str
    name: str
    flavor: str | None
    files: Mapping[str, int]
    config: str | None
    problems: tuple[Problem, ...]
    needs: tuple[str, ...] = ()


def name_for(model: str) -> str:
    """Return a name that a model could have: the registry's, or the directory's."""
    registered = _REGISTERED.match(model)
    last = model.rstrip("/").rpartition("/")[2] if "://" in model else Path(model).absolute().name
    return deployment_name(registered[1] if registered else last, Path(model))


def check_model(model: str, flavor: str | None, settings: Settings, *, name: str = "") -> Checked:
    """Read a model as a deployment would, and say all that is wrong at once.

    Args:
        model: any form of model URI that MLflow knows, or a directory: an MLflow model's, or one in
            Triton's own layout.
        flavor: as which flavor; found out from the model if left out.
        settings: of the deployment.
        name: its name; made up from the model's if left out.

    Raises:
        InvalidSettingError: a setting can't be had.
        InvalidNameError: it can't be called so.
        ModelSourceError: there is no such model.
    """
    parsed = DeploymentName(name or name_for(model))
    directory = Path(model)
    if directory.is_dir() and not (directory / MLMODEL_FILE).exists():
        return _check_directory(model, directory, parsed)
    with bootstrap.model_source(settings).open(model) as located:
        if settings.steps:
            return _check_chain(model, located, parsed, flavor, settings)
        return _check_located(model, located, parsed, flavor, settings)


def _check_directory(model: str, directory: Path, name: DeploymentName) -> Checked:
    problems = check_layout(directory, str(name))
    tree, _ = read_tree(directory)
    config = directory / CONFIG_FILE
    return Checked(
        model,
        str(name),
        _LAID_OUT,
        {path: file.size for path, file in sorted(tree.files.items())},
        config.read_text("utf-8", "replace") if CONFIG_FILE in tree.files else None,
        tuple(problems),
    )


def _check_located(
    model: str, located: LocatedModel, name: DeploymentName, flavor: str | None, settings: Settings
) -> Checked:
    options = settings.package_options
    problems: list[Problem] = []
    package = None
    # What a check refuses can be laid out without it, for all that is wrong beside.
    for is_checked in (True, False):
        if package is not None:
            break
        try:
            package = make_package(name, located, flavor, replace(options, check=is_checked))
        except (InvalidSettingError, InvalidNameError):
            raise
        except InvalidRequestError as error:
            problems += _problems_of(error, model)
    if package is None:
        return Checked(model, str(name), None, {}, None, _each_once(problems))
    tree = LaidOut.of(package).tree()
    problems += check_tree(tree, [str(name)], located.files)
    config = LaidOut.of(package).config
    chosen = Registry.installed().load(package.origin.flavor)
    return Checked(
        model,
        str(name),
        package.origin.flavor,
        _files(package, located.registry_version or 1),
        None if config is None else config.decode("utf-8", "replace"),
        _each_once(problems),
        tuple(chosen.needs(flavor_input(name, located), options)),
    )


def _check_chain(
    model: str, located: LocatedModel, name: DeploymentName, flavor: str | None, settings: Settings
) -> Checked:
    """Check an ensemble: its configuration, and the files of all its parts."""
    source = bootstrap.model_source(settings)
    with ExitStack() as stack:
        steps = chained(
            settings.steps,
            StepModel(MODEL, located, flavor),
            lambda uri: stack.enter_context(source.open(uri)),
        )
        try:
            package = make_ensemble(name, steps, settings.package_options)
        except (InvalidSettingError, InvalidNameError):
            raise
        except InvalidRequestError as error:
            problems = _each_once(_problems_of(error, model))
            return Checked(model, str(name), None, {}, None, problems)
        seen: Counter[str] = Counter()
        files: dict[str, int] = {}
        parts = []
        for step, one in zip(package.steps, steps, strict=True):
            seen[step.role] += 1
            parts.append(str(part_name(name, step.role, seen[step.role])))
            own = _files(step.package, one.model.registry_version or 1)
            files |= {f"{parts[-1]}/{path}": size for path, size in own.items()}
        config = package.config(parts).decode("utf-8", "replace")
    return Checked(model, str(name), package.origin.flavor, files, config, ())


def _files(package: ModelPackage, version: int) -> dict[str, int]:
    files = dict(package.files)
    if isinstance(package, VersionPackage):
        files = {f"{version}/{path}": source for path, source in package.files.items()}
        files |= package.beside
    return {path: source.size for path, source in sorted(files.items()) if path != CONFIG_FILE}


def _problems_of(error: InvalidRequestError, model: str) -> list[Problem]:
    if isinstance(error, InvalidPackageError) and error.problems:
        return list(error.problems)
    message, _, remedy = str(error).rstrip(".").partition(". ")
    return [Problem(model, message, remedy or "deploy another model, or as another flavor")]


def _each_once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(problems))
