# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""Triton's backend ``pytorch`` in Python: serves TorchScript as the C++ one of that name does.

File name, parameters, names and messages are those of
``triton-inference-server/pytorch_backend`` (``src/libtorch.cc``), on the same library. Not
supported, and refused at load: packages of AOTInductor, ragged batches, ``batch_input``,
``batch_output`` and implicit state. Nor is that one's runtime for modules in Python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

BACKEND = Path(__file__).resolve().parent
sys.path[:0] = [str(BACKEND), str(BACKEND.parent)]

from local_server_packages import require_packages  # type: ignore[import-not-found]  # noqa: E402

DEFAULT_FILE = "model.pt"


class TritonPythonModel:
    """What Triton's stub calls."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Returns the configuration as it is, as the C++ backend does."""
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model and checks the configuration against it."""
        config = json.loads(args["model_config"])
        _refuse_unsupported(config)
        name = config["default_model_filename"] or DEFAULT_FILE
        file = Path(args["model_repository"], args["model_version"], name)
        if not file.is_file():
            raise pb_utils.TritonModelException(
                f"unable to find '{file}' for model instance '{config['name']}'"
            )
        require_packages(BACKEND)
        # These import PyTorch, which may have been installed only now.
        from torch_settings import SettingError, Settings  # type: ignore[import-not-found] # noqa: PLC0415
        from torchscript import ModelError, TorchScript  # type: ignore[import-not-found] # noqa: PLC0415

        self._error = ModelError
        try:
            self._model = TorchScript(file, config, Settings(config))
        except (ModelError, SettingError) as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself, so that one that fails spoils no other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        try:
            outputs = self._model.run(arrays)
        except self._error as error:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(str(error)))
        wanted = request.requested_output_names()
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, outputs[name]) for name in wanted])


def _refuse_unsupported(config: dict[str, Any]) -> None:
    """Raises a ``TritonModelException`` for what the C++ backend can do and this one can't."""
    unsupported = {
        'platform: "torch_aoti"': config.get("platform") == "torch_aoti",
        "batch_input": config.get("batch_input"),
        "batch_output": config.get("batch_output"),
        "allow_ragged_batch": any(entry.get("allow_ragged_batch") for entry in config["input"]),
        "sequence_batching.state": config.get("sequence_batching", {}).get("state"),
    }
    for field, used in unsupported.items():
        if used:
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', '{field}' is not supported by the local "
                "server's pytorch backend"
            )
