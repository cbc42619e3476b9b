# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""Triton's backend ``fil`` in Python: serves forests of trees as the C++ one of that name does.

File names, parameters and results are those of ``triton-inference-server/fil_backend``
(``src/shared_state.h``, ``src/model.h``, ``src/nvforest_predict.h``, ``docs/model_config.md``), on
treelite, which that backend reads its models with too. It says more at load: a configuration whose
dimensions are not the model's fails there, where the C++ one would read past its memory. Parameters
that only say how fast it runs are ignored. Not supported, and refused at load: Shapley values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

BACKEND = Path(__file__).resolve().parent
sys.path[:0] = [str(BACKEND), str(BACKEND.parent)]

from local_server_packages import require_packages  # type: ignore[import-not-found]  # noqa: E402
from treelite_forest import Forest, ForestError  # type: ignore[import-not-found]  # noqa: E402

FILES: Mapping[str, str] = MappingProxyType(
    {
        "xgboost": "xgboost.model",
        "xgboost_json": "xgboost.json",
        "xgboost_ubj": "xgboost.ubj",
        "lightgbm": "model.txt",
        "treelite_checkpoint": "checkpoint.tl",
    }
)
"""``model_type`` → the file in the version's directory."""
INPUT, OUTPUT = "input__0", "output__0"
BINARY_PROBABILITIES = 2


class Parameters:
    """The parameters of a configuration, each text, read as the C++ backend reads them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._values = {key: value["string_value"] for key, value in config["parameters"].items()}

    def text(self, key: str, default: str | None = None) -> str:
        """Returns a parameter; without a default it has to be there."""
        value = self._values.get(key, default)
        if value is None:
            raise pb_utils.TritonModelException(
                f"Required parameter {key} not found in config parameters"
            )
        return str(value)

    def flag(self, key: str, default: str | None = None) -> bool:
        """Returns a parameter that is ``true`` or ``false``."""
        value = self.text(key, default)
        if value not in {"true", "false"}:
            raise pb_utils.TritonModelException(f"Expected {key} to be true or false, got {value}")
        return value == "true"

    def number(self, key: str, default: str | None = None) -> float:
        """Returns a parameter that is a number."""
        value = self.text(key, default)
        try:
            return float(value)
        except ValueError:
            raise pb_utils.TritonModelException(
                f"Expected {key} to be a number, got {value}"
            ) from None

    def is_classifier(self) -> bool:
        """Returns what ``output_class`` says, the name until Triton 25.09, else its new name."""
        return self.flag("output_class" if "output_class" in self._values else "is_classifier")


class TritonPythonModel:
    """What Triton's stub calls."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Returns the configuration as it is, as the C++ backend does."""
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the model and checks the configuration against it."""
        require_packages(BACKEND)
        config = json.loads(args["model_config"])
        parameters = Parameters(config)
        model_type = parameters.text("model_type", "xgboost")
        if model_type not in FILES:
            raise pb_utils.TritonModelException(
                f"{model_type} not recognized as a valid serialization format."
            )
        self._classifies = parameters.is_classifier()
        self._probabilities = parameters.flag("predict_proba", "false")
        self._threshold = parameters.number("threshold") if self._classifies else 0.5
        name = config["default_model_filename"] or FILES[model_type]
        file = Path(args["model_repository"], args["model_version"], name)
        if not file.is_file():
            raise pb_utils.TritonModelException(f"unable to find '{file}'")
        try:
            self._forest = Forest(
                file,
                model_type,
                allow_unknown_field=parameters.flag("xgboost_allow_unknown_field", "false"),
                threads=int(parameters.number("cpu_nthread", "-1")),
            )
        except ForestError as error:
            raise pb_utils.TritonModelException(f"treelite: {error}") from error
        self._check(config)

    def _check(self, config: dict[str, Any]) -> None:
        """Raises a ``TritonModelException`` where a configuration is not the model's."""
        name = config["name"]
        if config["max_batch_size"] < 1:
            self._fail(name, "the backend needs a max_batch_size of 1 or more")
        takes = {entry["name"]: entry for entry in config["input"]}
        gives = {entry["name"]: entry for entry in config["output"]}
        if set(takes) != {INPUT} or set(gives) != {OUTPUT}:
            self._fail(name, f"the only input has to be {INPUT}, the only output {OUTPUT}")
        for entry in (takes[INPUT], gives[OUTPUT]):
            if entry["data_type"] != "TYPE_FP32":
                self._fail(name, f"{entry['name']} has to be of TYPE_FP32")
        rows = {INPUT: (takes, {self._forest.features}), OUTPUT: (gives, self._widths())}
        for tensor, (entries, widths) in rows.items():
            dims = [int(size) for size in entries[tensor]["dims"]]
            if dims not in ([width] for width in widths):
                listed = " or ".join(map(str, sorted(widths)))
                self._fail(name, f"{tensor} has dims {dims}, and the model has [ {listed} ]")
        self._width = int(gives[OUTPUT]["dims"][0])

    def _widths(self) -> set[int]:
        """Returns how many numbers a row of the output may have."""
        if self._classifies and not self._probabilities:
            return {1}
        if self._probabilities and self._forest.classes == 1:
            return {1, BINARY_PROBABILITIES} if self._classifies else {1}
        return {self._forest.classes}

    def _fail(self, name: str, reason: str) -> None:
        raise pb_utils.TritonModelException(f"unable to load model '{name}', {reason}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself, so that one that fails spoils no other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        rows = pb_utils.get_input_tensor_by_name(request, INPUT).as_numpy()
        try:
            outputs = self._results(self._forest.predict(rows))
        except ForestError as error:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(f"treelite: {error}"))
        # The C++ backend leaves out dimensions of one, so that a row's only number is [rows].
        shape = (len(rows),) if self._width == 1 else (len(rows), self._width)
        return pb_utils.InferenceResponse([pb_utils.Tensor(OUTPUT, outputs.reshape(shape))])

    def _results(self, raw: Any) -> Any:
        if self._probabilities:
            return np.hstack([1 - raw, raw]) if self._width > self._forest.classes else raw
        if not self._classifies:
            return raw
        if self._forest.classes > 1:
            return raw.argmax(axis=1).astype(np.float32)
        return (raw > self._threshold).astype(np.float32)
