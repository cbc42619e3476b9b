"""A backend that nobody knows but that is written much like one that everybody knows.

Triton loads any backend that its server has, custom ones too, so that a name which nobody knows
proves nothing. One that is a slip of the pen away from a known name does: a name that has a known
one in it (``onnxruntime_fast``) is somebody's own.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from mlflow_triton.layout_check_backends import BACKEND_OF_PLATFORM, ENSEMBLE_PLATFORM, MODEL_FILES
from triton_deploy_core.package import CONFIG_FILE
from triton_deploy_core.problems import Problem

if TYPE_CHECKING:
    from mlflow_triton.layout_check_config import ModelConfig

_WITHOUT_FILES = ("fil", "identity", "repeat", "square", "tensorrt_llm", "tensorrtllm")
_KNOWN = sorted(
    {*MODEL_FILES, *_WITHOUT_FILES, *BACKEND_OF_PLATFORM.values()}
    - {"torch_aoti", "tensorflow_graphdef"}  # platforms
)
_LIKENESS = 0.8


def backend_name_problems(config: ModelConfig) -> list[Problem]:
    """Return the problem of a backend whose name seems to be a slip of the pen, if it is one."""
    name = str(config.backend)
    if not name or config.runtime or name in _KNOWN:
        return []
    if any(known in name for known in _KNOWN):
        return []
    close = get_close_matches(name.lower(), [*_KNOWN, ENSEMBLE_PLATFORM], n=1, cutoff=_LIKENESS)
    if not close:
        return []
    remedy = f'write backend: "{close[0]}", or deploy with -C check=off if it is a backend of yours'
    if close[0] == ENSEMBLE_PLATFORM:
        remedy = f'write platform: "{ENSEMBLE_PLATFORM}" and no backend'
    message = f"unknown backend {name!r}; did you mean {close[0]!r}?"
    return [Problem(CONFIG_FILE, message, remedy)]
