"""Check a directory in Triton's layout before anybody uploads or loads it.

The directory is read as Triton would read it, and everything that Triton would refuse is told at
once, each problem with its file and with what to do. What can't be known here (backends that
nobody has heard of, files on the server) is taken to be right.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_backend_names import backend_name_problems
from mlflow_triton.layout_check_backends import CONFIGURABLE_FILES, ONNXRUNTIME
from mlflow_triton.layout_check_config import (
    backend_of,
    config_problems,
    is_ensemble,
    parse_config,
)
from mlflow_triton.layout_check_files import (
    model_file_paths,
    referenced_file_problems,
    version_problems,
)
from mlflow_triton.layout_check_tree import read_tree
from mlflow_triton.layout_check_versions import (
    missing_version_problem,
    version_directories,
    version_name_problems,
)
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.layout import is_named_config
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.store import Content, LocalFile, Source
from triton_deploy_core.problems import Problem

if TYPE_CHECKING:
    from mlflow_triton.layout_check_config import ModelConfig
    from triton_deploy_core.ports.source import ModelFiles


def check_layout(directory: Path, name: str | None = None) -> list[Problem]:
    """Return everything that Triton would refuse about a model's directory.

    Args:
        directory: the model's directory, with ``config.pbtxt`` and version directories in it.
        name: the name that the model will be deployed under, where it is not the directory's.

    Returns:
        The problems, sorted by file; empty if Triton would load the model.
    """
    if not directory.is_dir():
        return [Problem(str(directory), "not a directory", "name the model's own directory")]
    tree, problems = read_tree(directory)
    names = [text for text in (name, Path(os.path.abspath(directory)).name) if text]  # noqa: PTH100
    found = {*problems, *check_tree(tree, names or ["model"])}
    return sorted(found, key=str)


def check_tree(
    tree: ModelTree[Source], names: Sequence[str], files: ModelFiles | None = None
) -> list[Problem]:
    """Return what is wrong with a tree that was read already.

    Args:
        tree: what is there. No file of it is read but ``config.pbtxt`` and those for kinds of
            hardware, which have to be at hand (content or local files), and ONNX graphs.
        names: the names that ``name:`` in ``config.pbtxt`` may have, at least one.
        files: those of the MLflow model, to read ONNX graphs that are objects in a store; without
            them such graphs are taken to be right.

    Raises:
        ModelSourceError: an ONNX graph can't be had from its store.
    """
    named = sorted(filter(is_named_config, tree.files))
    in_use = [CONFIG_FILE, *named] if CONFIG_FILE in tree.files else named
    found = [problem for path in in_use for problem in _problems_under(path, tree, names, files)]
    if CONFIG_FILE not in tree.files:
        found += _problems_without_config(tree)
    # What is wrong with files is the same under each configuration.
    return [*version_name_problems(tree), *dict.fromkeys(found)]


def _problems_under(
    path: str, tree: ModelTree[Source], names: Sequence[str], files: ModelFiles | None
) -> list[Problem]:
    try:
        config = parse_config(config_of(tree, path) or b"")
    except InvalidPackageError as error:
        return [replace(_unparsable(error), path=path)]
    except OSError as error:
        return [Problem(path, f"can't be read: {error.strerror}", "check its permissions")]
    found = [
        *config_problems(tree, config, names),
        *backend_name_problems(config),
        *referenced_file_problems(tree, config),
        *_problems_of_versions(tree, config),
        *_problems_of_graphs(tree, config, files),
    ]
    return [replace(p, path=path) if p.path == CONFIG_FILE else p for p in found]


def config_of(tree: ModelTree[Source], path: str = CONFIG_FILE) -> bytes | None:
    """Return a configuration of a tree, None where it has none there.

    Raises:
        OSError: it can't be read.
    """
    match tree.files.get(path):
        case None:
            return None
        case Content(data):
            return data
        case LocalFile(file):
            return file.read_bytes()
        case elsewhere:
            raise TypeError(f"{path} is not at hand: {elsewhere}")


def refuse_problems(problems: Iterable[Problem], subject: str) -> None:
    """Do nothing if there are no problems.

    Raises:
        InvalidPackageError: there are; the message is one line that names them all.
    """
    found = tuple(problems)
    if found:
        listed = "; ".join(map(str, found))
        raise InvalidPackageError(f"Triton would refuse {subject}: {listed}.", problems=found)


def _problems_of_versions(tree: ModelTree[Source], config: ModelConfig) -> list[Problem]:
    versions = version_directories(tree)
    if not versions:
        half_named = version_name_problems(tree)
        return [] if half_named else [missing_version_problem(is_ensemble=is_ensemble(config))]
    return version_problems(tree, config, versions)


def _problems_of_graphs(
    tree: ModelTree[Source], config: ModelConfig, files: ModelFiles | None
) -> list[Problem]:
    if backend_of(config) != ONNXRUNTIME:
        return []
    from mlflow_triton.layout_check_onnx import onnx_problems  # noqa: PLC0415 (imports onnx)

    paths = model_file_paths(tree, config, version_directories(tree))
    return [problem for path in paths for problem in onnx_problems(tree, config, path, files)]


def _problems_without_config(tree: ModelTree[Source]) -> list[Problem]:
    versions = version_directories(tree)
    if not versions:
        return [missing_version_problem(is_ensemble=False)]
    known = (f"{version}/{name}" for version in versions for name in CONFIGURABLE_FILES)
    if any(path in tree.files or path in tree.directories for path in known):
        return []
    message = "there is none, and Triton can't make one up for this model"
    remedy = "write it: backend, max_batch_size, and each input and output with data_type and dims"
    return [Problem(CONFIG_FILE, message, remedy)]


def _unparsable(error: InvalidPackageError) -> Problem:
    text, _, remedy = str(error).removeprefix(f"{CONFIG_FILE}:").rstrip(".").partition(". ")
    return Problem(CONFIG_FILE, text.strip(), remedy[:1].lower() + remedy[1:] or "correct it")
