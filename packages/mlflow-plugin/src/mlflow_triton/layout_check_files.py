"""The files that a configuration asks for: are they there?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_config import is_ensemble, model_file, parameter, served_versions
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.problems import Problem

if TYPE_CHECKING:
    from mlflow_triton.layout_check_backends import ModelFile
    from mlflow_triton.layout_check_config import ModelConfig
    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.store import Source

_MODEL_DIRECTORY = "$$TRITON_MODEL_DIRECTORY/"


def version_problems(
    tree: ModelTree[Source], config: ModelConfig, versions: Sequence[int]
) -> list[Problem]:
    """Return what is missing from the versions that Triton would serve."""
    served = sorted(served_versions(config, versions))
    if not served:
        there = ", ".join(map(str, versions))
        message = f"version_policy serves none of the versions that are there ({there})"
        return [Problem(CONFIG_FILE, message, "name one of them in version_policy")]
    return [problem for version in served for problem in _version_problems(tree, config, version)]


def _version_problems(
    tree: ModelTree[Source], config: ModelConfig, version: int
) -> Iterator[Problem]:
    if is_ensemble(config):
        return
    if config.cc_model_filenames:
        for name in sorted(set(config.cc_model_filenames.values())):
            if f"{version}/{name}" not in tree.files:
                message = "the file that cc_model_filenames names is missing"
                yield Problem(f"{version}/{name}", message, f"put it there or mend {CONFIG_FILE}")
        return
    expected = model_file(config)
    if expected is not None:
        yield from _model_file_problems(tree, version, expected)


def _model_file_problems(
    tree: ModelTree[Source], version: int, expected: ModelFile
) -> Iterator[Problem]:
    for name in expected.names:
        path = f"{version}/{name}"
        if path in tree.files:
            yield from _companion_problems(tree, path, expected)
            return
        if path in tree.directories and expected.inside:
            if f"{path}/{expected.inside}" not in tree.files:
                yield Problem(
                    f"{path}/{expected.inside}",
                    "the model's main file is missing from its directory",
                    "put it there under this name",
                )
            return
    yield Problem(
        f"{version}/{expected.names[0]}",
        "the model file that the backend looks for is missing",
        f"put it there, or name yours in {CONFIG_FILE} as default_model_filename",
    )


def model_file_paths(
    tree: ModelTree[Source], config: ModelConfig, versions: Sequence[int]
) -> list[str]:
    """Return the model file of each version that Triton would serve, as far as it is there.

    None where which file it is depends on the machine.
    """
    expected = model_file(config)
    if expected is None or config.cc_model_filenames:
        return []
    paths = [
        path
        for version in sorted(served_versions(config, versions))
        for name in expected.names[:1]
        for path in (f"{version}/{name}", f"{version}/{name}/{expected.inside}")
    ]
    return [path for path in paths if path in tree.files]


def _companion_problems(
    tree: ModelTree[Source], path: str, expected: ModelFile
) -> Iterator[Problem]:
    stem, dot, suffix = path.rpartition(".")
    if expected.companion and dot and suffix == "xml":
        companion = stem + expected.companion
        if companion not in tree.files:
            yield Problem(companion, f"the weights that belong to {path} are missing", "add them")


def referenced_file_problems(tree: ModelTree[Source], config: ModelConfig) -> list[Problem]:
    """Return a problem for each file outside the versions that the configuration names in vain."""
    problems = [
        Problem(
            output.label_filename,
            f"the label file of output {output.name!r} is missing",
            f"put it beside {CONFIG_FILE}",
        )
        for output in config.output
        if output.label_filename and output.label_filename not in tree.files
    ]
    environment = parameter(config, "EXECUTION_ENV_PATH")
    if environment.startswith(_MODEL_DIRECTORY):
        path = environment[len(_MODEL_DIRECTORY) :].rstrip("/")
        if path not in tree.files and path not in tree.directories:
            message = "the Python environment that EXECUTION_ENV_PATH names is missing"
            problems.append(Problem(path, message, "put it there (conda-pack makes one)"))
    return problems
