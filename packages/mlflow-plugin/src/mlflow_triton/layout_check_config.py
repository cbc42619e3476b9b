"""What a ``config.pbtxt`` says about the directory that it lies in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_backends import (
    BACKEND_OF_PLATFORM,
    ENSEMBLE_PLATFORM,
    FIL_DEFAULT_MODEL_TYPE,
    FIL_FILES,
    INCOMPLETE_BACKENDS,
    MODEL_FILES,
    PLATFORMS_OF_FILES,
    ModelFile,
)
from triton_deploy_core.ports.config_format import Latest
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import ModelConfig, parse

if TYPE_CHECKING:
    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.store import Source
    from triton_deploy_core.problems import Problem

__all__ = [
    "ModelConfig",
    "backend_of",
    "config_problems",
    "is_ensemble",
    "model_file",
    "parameter",
    "parse_config",
    "served_versions",
]

parse_config = parse


def config_problems(
    tree: ModelTree[Source], config: ModelConfig, names: Sequence[str]
) -> list[Problem]:
    """Return what is wrong with the configuration itself.

    Args:
        tree: the directory that it lies in.
        config: the configuration.
        names: the names that the model may have; the first is the one for messages.
    """
    name = config.name if config.name in names else names[0]
    return check_config(
        config,
        name=name,
        auto_complete=backend_of(config) not in INCOMPLETE_BACKENDS,
        files=_names_in_versions(tree),
    )


def _names_in_versions(tree: ModelTree[Source]) -> frozenset[str]:
    paths = (path.split("/") for path in (*tree.files, *tree.directories))
    return frozenset(parts[1] for parts in paths if len(parts) > 1 and parts[0].isdecimal())


def backend_of(config: ModelConfig) -> str:
    """Return the backend that a configuration names, the older way too; "" where it names none."""
    platform = str(config.platform)
    if platform in PLATFORMS_OF_FILES:
        return platform
    return config.backend or BACKEND_OF_PLATFORM.get(platform, "")


def parameter(config: ModelConfig, key: str) -> str:
    """Return a parameter's text, "" where there is none of that name."""
    return str(config.parameters[key].string_value) if key in config.parameters else ""


def is_ensemble(config: ModelConfig) -> bool:
    """Tell whether the model is made of others and has no file of its own."""
    return bool(config.platform == ENSEMBLE_PLATFORM or config.HasField("ensemble_scheduling"))


def model_file(config: ModelConfig) -> ModelFile | None:
    """Return what the backend opens in a version's directory, None where nobody can know."""
    expected = _expected(config)
    if not config.default_model_filename:
        return expected
    name = (config.default_model_filename,)
    return replace(expected, names=name) if expected else None


def _expected(config: ModelConfig) -> ModelFile | None:
    if config.runtime:
        return None  # the backend's own code is in a file that it names itself
    backend = backend_of(config)
    if backend == "fil":
        return FIL_FILES.get(parameter(config, "model_type") or FIL_DEFAULT_MODEL_TYPE)
    return MODEL_FILES.get(backend)


def served_versions(config: ModelConfig, versions: Iterable[int]) -> frozenset[int]:
    """Return which of the versions that are there the version policy serves."""
    there = frozenset(versions)
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return there
    if choice == "specific":
        return there.intersection(policy.specific.versions)
    # Triton reads a `latest` without a number as one version.
    return Latest(policy.latest.num_versions or 1).visible(there)
