"""What Triton's backends look for in a version's directory.

Sources: ``docs/user_guide/model_repository.md`` of triton-inference-server/server (model files),
``src/model_config_utils.cc`` of triton-inference-server/core (platforms, default names, what can
go without a configuration), and the READMEs of the backends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ENSEMBLE_PLATFORM = "ensemble"
ONNXRUNTIME = "onnxruntime"

BACKEND_OF_PLATFORM: Mapping[str, str] = MappingProxyType(
    {
        "onnxruntime_onnx": "onnxruntime",
        "pytorch_libtorch": "pytorch",
        "tensorflow_graphdef": "tensorflow",
        "tensorflow_savedmodel": "tensorflow",
        "tensorrt_plan": "tensorrt",
    }
)
"""The older way to name a backend: ``platform`` → ``backend``."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a backend opens in a version's directory.

    Attributes:
        names: the names that it looks for unless ``default_model_filename`` says another; one of
            them has to be there.
        inside: where the name may be a directory, the file that has to be in it; "" where a
            directory will not do.
        companion: suffix of a second file that belongs to the first, as ``.bin`` to ``.xml``.
    """

    names: tuple[str, ...]
    inside: str = ""
    companion: str = ""


MODEL_FILES: Mapping[str, ModelFile] = MappingProxyType(
    {
        "dali": ModelFile(("model.dali", "dali.py")),
        "onnxruntime": ModelFile(("model.onnx",), inside="model.onnx"),
        "openvino": ModelFile(("model.xml",), companion=".bin"),
        "python": ModelFile(("model.py",)),
        "pytorch": ModelFile(("model.pt",)),
        "tensorflow": ModelFile(("model.savedmodel",), inside="saved_model.pb"),
        "tensorflow_graphdef": ModelFile(("model.graphdef",)),
        "tensorrt": ModelFile(("model.plan",)),
        "torch_aoti": ModelFile(("model.pt2",)),
        "vllm": ModelFile(("model.json",)),
    }
)
"""Backend → what it opens; also platform, where its backend has several (`PLATFORMS_OF_FILES`).

Backends that are not here are not checked: they may open anything.
"""

PLATFORMS_OF_FILES = frozenset({"tensorflow_graphdef", "torch_aoti"})
"""Platforms whose backend opens another file for them than it does else."""

FIL_FILES: Mapping[str, ModelFile] = MappingProxyType(
    {
        "lightgbm": ModelFile(("model.txt",)),
        "treelite_checkpoint": ModelFile(("checkpoint.tl",)),
        "xgboost": ModelFile(("xgboost.model",)),
        "xgboost_json": ModelFile(("xgboost.json",)),
        "xgboost_ubj": ModelFile(("xgboost.ubj",)),
    }
)
"""The `fil` backend's ``model_type`` → what it opens."""

FIL_DEFAULT_MODEL_TYPE = "xgboost"

CONFIGURABLE_FILES: tuple[str, ...] = (
    "model.onnx",
    "model.plan",
    "model.savedmodel",
    "model.xml",
    "model.py",
)
"""What tells Triton the backend of a model without ``config.pbtxt``, and lets it make one up."""

INCOMPLETE_BACKENDS = frozenset({"fil", "pytorch", *PLATFORMS_OF_FILES})
"""What can't complete a configuration: inputs and outputs have to be in the file."""
