"""The MLflow flavor `triton`: directories in Triton's layout as MLflow models.

::

    import mlflow
    import mlflow_triton.flavor

    with mlflow.start_run():
        mlflow_triton.flavor.log_model("models/resnet50", name="triton")

A model that these functions log can be read by NVIDIA's plugin, and one that NVIDIA's script
logged can be read here: the ``MLmodel`` file's entry ``data`` names the directory.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.tracking._model_registry import DEFAULT_AWAIT_MAX_SLEEP_SECONDS

from mlflow_triton._flavor_copy import copy_tree
from mlflow_triton._flavor_log import log_with_mlflow
from mlflow_triton.flavors.choosing import choose_flavor
from mlflow_triton.flavors.triton import FLAVOR_NAME
from mlflow_triton.flavors.triton_package import (
    EMPTY_DIRECTORIES,
    data_directory,
    lost_directories,
)
from mlflow_triton.layout_check import check_layout, refuse_problems
from mlflow_triton.layout_check_tree import read_tree
from mlflow_triton.layout_check_versions import version_directories
from mlflow_triton.mlmodel import read_mlmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.errors import InvalidRequestError, ModelSourceError
from triton_deploy_core.ports.progress import NoProgress

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.progress import Progress
    from triton_deploy_core.ports.store import LocalFile

__all__ = ["DEFAULT_NAME", "FLAVOR_NAME", "load_model", "log_model", "save_model"]

DEFAULT_NAME = "triton"
"""The name that a model is logged under if nobody says another."""


def save_model(
    triton_model_path: str | os.PathLike[str],
    path: str | os.PathLike[str],
    mlflow_model: Model | None = None,
    *,
    check: bool = True,
    progress: Progress | None = None,
) -> None:
    """Save a directory in Triton's layout as an MLflow model on this machine.

    Args:
        triton_model_path: the model's directory, with ``config.pbtxt`` and version directories.
        path: the MLflow model's directory, which must not exist yet.
        mlflow_model: the MLflow model that the flavor is added to.
        check: whether the directory is checked first, as Triton would read it.
        progress: told of the bytes that are copied.

    Raises:
        InvalidPackageError: Triton would refuse the directory; all that is wrong is named. Links
            that leave the directory and files that can't be read are refused with ``check=False``
            too.
        InvalidRequestError: `path` exists.
        ModelSourceError: a file can't be copied. Nothing is left behind.
    """
    source = Path(os.path.abspath(triton_model_path))  # noqa: PTH100 - keeps a link's own name
    target = Path(path)
    if target.exists():
        message = f"{target} exists already. Choose another path."
        raise InvalidRequestError(message)
    if not source.is_dir():
        message = f"{source} is not a directory. Name the directory of a model in Triton's layout."
        raise InvalidRequestError(message)
    tree, problems = read_tree(source)
    refuse_problems(check_layout(source) if check else problems, str(source))
    try:
        _write(tree, source.name, target, mlflow_model or Model(), progress or NoProgress())
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _write(
    tree: ModelTree[LocalFile], name: str, target: Path, mlflow_model: Model, progress: Progress
) -> None:
    data = name if name not in {"", MLMODEL_FILE_NAME} else DEFAULT_NAME
    copy_tree(tree, target / data, progress)
    mlflow_model.add_flavor(FLAVOR_NAME, data=data, **_facts(tree))
    mlflow_model.save(str(target / MLMODEL_FILE_NAME))


def _facts(tree: ModelTree[LocalFile]) -> dict[str, Any]:
    """What the ``MLmodel`` file keeps of a tree beside its place."""
    facts: dict[str, Any] = {"versions": list(version_directories(tree))}
    if tree.empty_directories:
        facts[EMPTY_DIRECTORIES] = list(tree.empty_directories)
    return facts


def log_model(
    triton_model_path: str | os.PathLike[str],
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = DEFAULT_AWAIT_MAX_SLEEP_SECONDS,
    *,
    name: str | None = None,
    check: bool = True,
    progress: Progress | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a directory in Triton's layout to the active run, or to a new one.

    Args:
        triton_model_path: the model's directory, with ``config.pbtxt`` and version directories.
        artifact_path: where in the run, `DEFAULT_NAME` if neither this nor `name` is given.
        registered_model_name: a name in the registry to register the model under as well.
        await_registration_for: seconds to wait for the registry; None or 0: not at all.
        name: MLflow 3's word for `artifact_path`.
        check: whether the directory is checked first, as Triton would read it.
        progress: told of the bytes that are copied before they are uploaded.
        kwargs: for `mlflow.models.Model.log`: ``metadata``, ``run_id``, and so on.

    Returns:
        MLflow's own account of the model; its ``model_uri`` can be deployed.

    Raises:
        InvalidRequestError: as `save_model`; nothing was logged.
    """
    if name is not None and artifact_path is not None:
        message = "Give name= or artifact_path=, not both."
        raise InvalidRequestError(message)
    source = Path(triton_model_path)
    if check:  # before MLflow makes a run or a logged model for it
        refuse_problems(check_layout(source), str(source))
    return log_with_mlflow(
        name or artifact_path or DEFAULT_NAME,
        sys.modules[__name__],
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        triton_model_path=str(source),
        check=False,
        progress=progress,
        **kwargs,
    )


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None
) -> Path:
    """Bring a model's directory in Triton's layout to this machine.

    Args:
        model_uri: any URI of an MLflow model with the flavor `triton`.
        dst_path: an existing directory to put it in; None leaves the place to MLflow, which may
            be the artifact store's own directory: do not change it then.

    Returns:
        The directory, with the empty directories that artifact stores lose.

    Raises:
        ModelSourceError: there is no such model, or it can't be had.
        InvalidRequestError: it has no flavor `triton`.
    """
    try:
        local = mlflow.artifacts.download_artifacts(
            artifact_uri=str(model_uri), dst_path=None if dst_path is None else str(dst_path)
        )
    except (MlflowException, OSError) as error:
        message = (
            f"The model can't be had from MLflow: {str(error).splitlines()[0].rstrip('.')}. Check "
            "the URI, and MLFLOW_TRACKING_URI."
        )
        raise ModelSourceError(message) from error
    files = DirectoryFiles(Path(local))
    mlmodel = read_mlmodel(files)
    choose_flavor(mlmodel, FLAVOR_NAME)
    entry = mlmodel.flavors[FLAVOR_NAME]
    files.tree(data_directory(entry))  # it has to be there
    directory = files.directory / data_directory(entry)
    _restore(directory, lost_directories(entry))
    return directory


def _restore(directory: Path, lost: tuple[str, ...]) -> None:
    try:
        for path in lost:
            (directory / path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{error.filename} can't be made: {error.strerror}. Give another dst_path."
        raise ModelSourceError(message) from error
