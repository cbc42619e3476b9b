"""Runs on the server, in Triton's python backend: sums up the points of a scorecard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """What Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the scorecard, which lies beside this file."""
        version = Path(args["model_repository"], args["model_version"])
        card = json.loads((version / "scorecard.json").read_text(encoding="utf-8"))
        self.base, self.features = card["base"], card["features"]
        cutoff = json.loads(args["model_config"])["parameters"].get("cutoff")
        self.cutoff = None if cutoff is None else float(cutoff["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request with its scores."""
        return [pb_utils.InferenceResponse(self.answer(request)) for request in requests]

    def answer(self, request: Any) -> list[Any]:
        """Return the outputs of one request."""
        score = self.base
        for feature, bins in self.features.items():
            values = pb_utils.get_input_tensor_by_name(request, feature).as_numpy()
            score = score + sum(points * inside(values, low, up) for low, up, points in bins)
        outputs = [pb_utils.Tensor("SCORE", score.astype(np.float32))]
        if self.cutoff is not None:
            outputs.append(pb_utils.Tensor("APPROVED", score >= self.cutoff))
        return outputs


def inside(values: np.ndarray, low: float | None, up: float | None) -> np.ndarray:
    """Tell for each value whether it is in a bin, as 1 or 0."""
    above = True if low is None else values >= low
    below = True if up is None else values < up
    return np.logical_and(above, below) * np.ones_like(values)
