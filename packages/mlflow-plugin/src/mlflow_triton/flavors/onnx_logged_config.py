"""The ``config.pbtxt`` that a user logged with an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_triton.layout_check import check_tree, refuse_problems
from mlflow_triton.layout_check_config import parse_config
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.ports.store import Content, Source

if TYPE_CHECKING:
    from mlflow_triton.flavors.onnx_logged_files import LoggedFiles
    from mlflow_triton.layout_check_config import ModelConfig
    from triton_deploy_core.names import DeploymentName
    from triton_deploy_core.ports.source import ModelFiles


@dataclass(frozen=True, slots=True)
class LoggedConfig:
    """A configuration as its user wrote it.

    Attributes:
        content: its bytes.
        model_filename: ``default_model_filename``, "" where it names none.
        label_filenames: the label files that its outputs name.
        version: a version that its version policy would serve.
    """

    content: bytes
    model_filename: str
    label_filenames: frozenset[str]
    version: int


def find_logged_config(logged: LoggedFiles) -> LoggedConfig | None:
    """Return the configuration that was logged with a model, or None.

    Raises:
        InvalidPackageError: Triton could not parse it.
        ModelSourceError: it can't be read.
    """
    content = logged.read(CONFIG_FILE)
    if content is None:
        return None
    config = parse_config(content)
    return LoggedConfig(
        content,
        config.default_model_filename,
        frozenset(output.label_filename for output in config.output if output.label_filename),
        _servable_version(config),
    )


def _servable_version(config: ModelConfig) -> int:
    return min(config.version_policy.specific.versions, default=1)


def check_logged_config(
    logged: LoggedConfig,
    name: DeploymentName,
    files: Mapping[str, Source],
    beside: Mapping[str, Source],
    own: ModelFiles,
) -> None:
    """Refuse what Triton would refuse of a configuration and the files it goes with.

    Args:
        logged: the configuration.
        name: the deployment's.
        files: those of its version.
        beside: those beside it.
        own: the model's directory, to read the graph where it is an object in a store.

    Raises:
        InvalidPackageError: with all that is wrong.
    """
    versioned = {f"{logged.version}/{path}": source for path, source in files.items()}
    tree = ModelTree.of_files({**beside, **versioned, CONFIG_FILE: Content(logged.content)})
    problems = check_tree(tree, [str(name)], own)
    refuse_problems(problems, f"the {CONFIG_FILE} logged with the model")
