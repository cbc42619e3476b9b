"""The input example that was logged with a model.

MLflow writes it as JSON, twice: ``serving_input_example.json`` as its scoring server takes it
(since MLflow 2.14), and ``input_example.json`` in a form of its own, which older models have
alone. ``MLmodel`` names both in ``saved_input_example_info``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_triton.model_files import read_small
from triton_deploy_core.errors import InvalidSettingError, ModelSourceError

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_SERVED = "serving_input_path"
_OWN = "artifact_path"


def read_input_example(files: ModelFiles, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the example as a JSON object that ``predict`` takes.

    Args:
        files: the model's.
        info: ``saved_input_example_info`` of its ``MLmodel`` file; empty where it has none.

    Raises:
        InvalidSettingError: there is no example, or it is none that can be sent.
        ModelSourceError: it can't be read.
    """
    path = str(info.get(_SERVED) or info.get(_OWN) or "")
    if not path:
        raise InvalidSettingError(
            "warmup=true can't be had: the model has no input example. Log it again with "
            "input_example=…, or leave the setting out."
        )
    if files.find(path) is None:
        raise ModelSourceError(
            f"The model has no file {path!r}, which its MLmodel file names. Log it again."
        )
    try:
        document = json.loads(read_small(files, path))
    except (ValueError, RecursionError) as error:
        raise ModelSourceError(f"{path} of the model is not JSON. Log the model again.") from error
    example = document if info.get(_SERVED) else _as_served(document, info)
    if not isinstance(example, dict):
        raise InvalidSettingError(
            f"warmup=true can't be had: the input example of the model ({path}) is none that "
            "MLflow's scoring server takes. Leave the setting out."
        )
    # Parameters of an inference are none of a warm-up: Triton has no place for them.
    return {key: value for key, value in example.items() if key != "params"}


def _as_served(document: Any, info: Mapping[str, Any]) -> Any:
    kind = info.get("type")
    if kind == "dataframe" and info.get("pandas_orient") == "split":
        return {"dataframe_split": document}
    if kind == "ndarray" and isinstance(document, dict):
        return {"inputs": document.get("inputs")}
    return {"inputs": document} if kind == "json_object" else None
