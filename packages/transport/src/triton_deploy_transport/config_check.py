"""What Triton would refuse in a model configuration, found before it is asked.

Every check states a refusal that was seen on a real server; a configuration that a server takes
raises no false alarm. What depends on the machine (a GPU, an installed backend) or on other
models is not judged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_deploy_core.problems import Problem
from triton_deploy_transport._ensemble_check import ensemble_problems, is_ensemble
from triton_deploy_transport._scheduling_check import scheduling_problems
from triton_deploy_transport._tensor_check import tensor_problems
from triton_deploy_transport._warmup_check import warmup_problems

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from triton_deploy_transport.pbtxt import ModelConfig

CONFIG_PATH = "config.pbtxt"

_PLATFORMS = (
    "ensemble",
    "onnxruntime_onnx",
    "pytorch_libtorch",
    "tensorflow_graphdef",
    "tensorflow_savedmodel",
    "tensorrt_plan",
    "torch_aoti",
)
# The files of a version directory from which Triton guesses a backend that nobody named.
_GUESSED = frozenset(
    {
        "model.graphdef",
        "model.onnx",
        "model.plan",
        "model.pt",
        "model.pt2",
        "model.py",
        "model.savedmodel",
        "model.xml",
    }
)


def check_config(
    config: ModelConfig,
    *,
    name: str,
    auto_complete: bool,
    files: Collection[str] | None = None,
) -> list[Problem]:
    """Return everything that Triton would refuse in a configuration, in the file's order.

    Args:
        config: as `triton_deploy_transport.pbtxt.parse` returns it.
        name: the model's name, which is that of its directory.
        auto_complete: whether the server and the backend may fill in what is left out.
        files: names in a version directory, from which Triton guesses a missing backend; None
            where they aren't known: a missing backend is then no problem.
    """
    found = [
        *_name(config, name),
        *_backend(config, name, files),
        *_max_batch_size(config),
        *tensor_problems(config, auto_complete=auto_complete),
        *_version_policy(config),
        *_instance_groups(config),
        *scheduling_problems(config),
        *_response_cache(config),
        *warmup_problems(config, auto_complete=auto_complete),
        *ensemble_problems(config, name),
    ]
    return [Problem(CONFIG_PATH, message, remedy) for message, remedy in found]


def _name(config: ModelConfig, name: str) -> Iterator[tuple[str, str]]:
    if config.name and config.name != name:
        yield (
            f"name is {config.name!r}, but the model's directory is {name!r}",
            "leave name out, or make it that of the directory",
        )


def _backend(
    config: ModelConfig, name: str, files: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    if config.backend or is_ensemble(config):
        return
    # A model's name may tell the backend as well: `iris.python`.
    guessed = files is None or "." in name or not _GUESSED.isdisjoint(files)
    if config.platform and config.platform not in _PLATFORMS:
        yield (
            f"platform {config.platform!r} is none of Triton's ({', '.join(_PLATFORMS)})",
            'name the backend instead, such as backend: "onnxruntime"',
        )
    elif not config.platform and not guessed:
        yield (
            "neither backend nor platform is set, and no file tells the backend",
            'add a line such as backend: "onnxruntime"',
        )


def _max_batch_size(config: ModelConfig) -> Iterator[tuple[str, str]]:
    if config.max_batch_size < 0:
        yield (
            f"max_batch_size is {config.max_batch_size}",
            "make it 0 (no batching) or the largest batch that the model takes",
        )


def _version_policy(config: ModelConfig) -> Iterator[tuple[str, str]]:
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "latest" and policy.latest.num_versions == 0:
        yield "version_policy.latest serves no version", "set num_versions to 1 or more"
    if choice == "specific" and not any(version > 0 for version in policy.specific.versions):
        yield (
            "version_policy.specific serves no version: it lists no positive number",
            "list the versions that should be served",
        )


def _instance_groups(config: ModelConfig) -> Iterator[tuple[str, str]]:
    for number, group in enumerate(config.instance_group):
        kind = group.Kind.Name(group.kind)
        if group.gpus and group.kind in {group.KIND_CPU, group.KIND_MODEL}:
            yield (
                f"instance_group[{number}] is {kind} but names gpus",
                "take gpus out, or make it KIND_GPU",
            )
        if group.profile and group.kind == group.KIND_CPU:
            yield (
                f"instance_group[{number}] is KIND_CPU but names a profile",
                "take profile out: it is for TensorRT on a GPU",
            )


def _response_cache(config: ModelConfig) -> Iterator[tuple[str, str]]:
    if config.response_cache.enable and config.model_transaction_policy.decoupled:
        yield (
            "response_cache is enabled for a decoupled model",
            "take response_cache out, or make the model not decoupled",
        )
