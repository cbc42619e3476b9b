"""The `triton` flavor: a directory that its user laid out, deployed as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow_triton.layout_check import check_tree, refuse_problems
from mlflow_triton.layout_check_config import is_ensemble, parse_config
from mlflow_triton.layout_check_tree import ModelTree, read_tree
from mlflow_triton.layout_check_versions import version_directories
from triton_deploy_core.errors import InvalidPackageError, InvalidSettingError, ModelSourceError
from triton_deploy_core.package import CONFIG_FILE, TreePackage
from triton_deploy_core.ports.store import Content, LocalFile, Source
from triton_deploy_core.records import RECORD_FILE

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions

FLAVOR_NAME = "triton"
EMPTY_DIRECTORIES = "empty_directories"
"""The flavor's entry with what artifact stores lose: relative paths of empty directories."""


class TritonFlavor:
    """Packages directories in Triton's layout."""

    def package(self, model: FlavorInput, options: PackageOptions) -> TreePackage:
        """See `Flavor.package`."""
        if options.named():
            message = (
                f"{options.named()[0]} can't be set for the triton flavor: its config.pbtxt is "
                "deployed as it is. Change it there and publish the model again."
            )
            raise InvalidSettingError(message)
        entry = model.mlmodel.flavors[FLAVOR_NAME]
        directory = data_directory(model.path, entry)
        tree, problems = read_tree(directory)
        tree = _with_lost_directories(tree, entry)
        if options.check:
            problems += check_tree(tree, [str(model.name)])
        refuse_problems(problems, f"model {str(model.name)!r}")
        return TreePackage(model.origin(FLAVOR_NAME), _sources(tree))


FLAVOR = TritonFlavor()


def data_directory(model_path: Path, entry: Mapping[str, Any]) -> Path:
    """Return the directory in Triton's layout inside an MLflow model's directory.

    Args:
        model_path: the MLflow model's directory.
        entry: the entries of the `triton` flavor in its ``MLmodel`` file.

    Raises:
        InvalidPackageError: the entry names none, or one outside of the model.
        ModelSourceError: it is not there.
    """
    data = entry.get("data")
    if not isinstance(data, str) or not _is_inside(data):
        message = (
            f"The MLmodel file's triton flavor names the directory {data!r}, and it has to be one "
            "inside of the model. Publish the model again."
        )
        raise InvalidPackageError(message)
    directory = model_path / data
    if not directory.is_dir():
        message = (
            f"The model has no directory {data!r}, which its MLmodel file names. Log it again."
        )
        raise ModelSourceError(message)
    if not directory.resolve().is_relative_to(model_path.resolve()):
        message = f"The model's directory {data!r} is a link that leaves the model. Log it again."
        raise InvalidPackageError(message)
    return directory


def lost_directories(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the empty directories that the flavor's entry keeps a record of."""
    recorded = entry.get(EMPTY_DIRECTORIES)
    listed = recorded if isinstance(recorded, list) else []
    return tuple(str(path) for path in listed if _is_inside(str(path)))


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts


def _with_lost_directories(tree: ModelTree, entry: Mapping[str, Any]) -> ModelTree:
    tree = tree.with_directories(str(PurePosixPath(path)) for path in lost_directories(entry))
    if version_directories(tree) or not _is_ensemble(tree):
        return tree
    # Logged without a record, by NVIDIA's script or another: an ensemble needs a version.
    return tree.with_directories(["1"])


def _is_ensemble(tree: ModelTree) -> bool:
    path = tree.files.get(CONFIG_FILE)
    try:
        return path is not None and is_ensemble(parse_config(path.read_bytes()))
    except (InvalidPackageError, OSError):
        return False  # the check names the problem


def _sources(tree: ModelTree) -> dict[str, Source]:
    # A record is a deployment's, not the model's: it came along from somebody's repository.
    kept = ((path, file) for path, file in sorted(tree.files.items()) if path != RECORD_FILE)
    sources: dict[str, Source] = {path: _local(file) for path, file in kept}
    sources.update(_markers(tree.empty_directories))
    return sources


def _local(path: Path) -> LocalFile:
    return LocalFile(path, path.stat().st_size)


def _markers(directories: Iterable[str]) -> dict[str, Source]:
    return {f"{path}/": Content(b"") for path in directories}
