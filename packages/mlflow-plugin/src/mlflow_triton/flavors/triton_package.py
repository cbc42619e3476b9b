"""The package of a directory that its user laid out, deployed as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow_triton.flavors.triton import FLAVOR_NAME
from mlflow_triton.layout_check import check_tree, config_of, refuse_problems
from mlflow_triton.layout_check_config import is_ensemble, parse_config
from mlflow_triton.layout_check_versions import version_directories
from mlflow_triton.model_files import read_small
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError
from triton_deploy_core.layout import is_named_config
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.package import CONFIG_FILE, TreePackage
from triton_deploy_core.ports.store import Content, Source, StoredObject
from triton_deploy_core.records import RECORD_FILE

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
    from triton_deploy_core.ports.source import ModelFiles

EMPTY_DIRECTORIES = "empty_directories"
"""The flavor's entry with what artifact stores lose: relative paths of empty directories."""


def triton_package(model: FlavorInput, options: PackageOptions) -> TreePackage:
    """Make the package of a directory in Triton's layout: see `Flavor.package`."""
    if options.named():
        message = (
            f"{options.named()[0]} can't be set for the triton flavor: its config.pbtxt is "
            "deployed as it is. Change it there and publish the model again, or merge fields of it "
            "(-C config=FILE)."
        )
        raise InvalidSettingError(message)
    entry = model.mlmodel.flavors[FLAVOR_NAME]
    directory = data_directory(entry)
    tree, problems = model.files.tree(directory)
    tree = _with_lost_directories(_with_config_at_hand(tree, model.files, directory), entry)
    if options.check:
        problems = [*problems, *check_tree(tree, [str(model.name)], model.files)]
    refuse_problems(problems, f"model {str(model.name)!r}")
    return TreePackage(model.origin(FLAVOR_NAME), _sources(tree))


def data_directory(entry: Mapping[str, Any]) -> str:
    """Return the directory in Triton's layout, relative to the MLflow model's.

    Args:
        entry: the entries of the `triton` flavor in the ``MLmodel`` file.

    Raises:
        InvalidPackageError: the entry names none, or one outside of the model.
    """
    data = entry.get("data")
    if not isinstance(data, str) or not _is_inside(data):
        message = (
            f"The MLmodel file's triton flavor names the directory {data!r}, and it has to be one "
            "inside of the model. Publish the model again."
        )
        raise InvalidPackageError(message)
    return str(PurePosixPath(data))


def lost_directories(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the empty directories that the flavor's entry keeps a record of."""
    recorded = entry.get(EMPTY_DIRECTORIES)
    listed = recorded if isinstance(recorded, list) else []
    return tuple(str(path) for path in listed if _is_inside(str(path)))


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts


def _with_config_at_hand(
    tree: ModelTree[Source], files: ModelFiles, directory: str
) -> ModelTree[Source]:
    """Read the files that have to be known here, wherever they are: configurations."""
    read = {
        path: Content(read_small(files, f"{directory}/{path}"))
        for path, source in tree.files.items()
        if isinstance(source, StoredObject) and (path == CONFIG_FILE or is_named_config(path))
    }
    return ModelTree({**tree.files, **read}, tree.directories)


def _with_lost_directories(tree: ModelTree[Source], entry: Mapping[str, Any]) -> ModelTree[Source]:
    tree = tree.with_directories(str(PurePosixPath(path)) for path in lost_directories(entry))
    if version_directories(tree) or not _is_ensemble(tree):
        return tree
    # Logged without a record, by NVIDIA's script or another: an ensemble needs a version.
    return tree.with_directories(["1"])


def _is_ensemble(tree: ModelTree[Source]) -> bool:
    try:
        config = config_of(tree)
        return config is not None and is_ensemble(parse_config(config))
    except (InvalidPackageError, OSError):
        return False  # the check names the problem


def _sources(tree: ModelTree[Source]) -> dict[str, Source]:
    # A record is a deployment's, not the model's: it came along from somebody's repository.
    sources = {path: file for path, file in sorted(tree.files.items()) if path != RECORD_FILE}
    return {**sources, **_markers(tree.empty_directories)}


def _markers(directories: Iterable[str]) -> dict[str, Source]:
    return {f"{path}/": Content(b"") for path in directories}
