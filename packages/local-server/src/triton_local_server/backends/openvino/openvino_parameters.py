# ruff: noqa: INP001 - a file in a folder as Triton wants it, not a package
"""The parameters of a configuration, each text, read as the C++ backend reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

NUMBERS = ("INFERENCE_NUM_THREADS", "COMPILATION_NUM_THREADS")
HINTS = ("latency", "throughput", "cumulative_throughput")
STREAMS = ("auto", "numa")


class Parameters:
    """What ``ParseParameters`` of ``src/openvino.cc`` takes."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._values = {key: value["string_value"] for key, value in config["parameters"].items()}

    def flag(self, key: str) -> bool:
        """Returns whether a parameter is ``YES``."""
        return self._text(key) == "yes"

    def extension(self) -> str:
        """Returns the path of a library with operators of the user's, "" for none."""
        return str(self._values.get("CPU_EXTENSION_PATH", ""))

    def properties(self) -> dict[str, str]:
        """Returns OpenVINO's own properties, as it takes them.

        Raises:
            TritonModelException: A parameter has a value that the C++ backend refuses.
        """
        found = {key: self._number(key) for key in NUMBERS if self._text(key)}
        if self._text("HINT_BF16"):
            self._one_of("HINT_BF16", ("yes",), "to be YES")
            found["INFERENCE_PRECISION_HINT"] = "bf16"
        if self._text("NUM_STREAMS"):
            if not self._text("NUM_STREAMS").isdigit():
                self._one_of("NUM_STREAMS", STREAMS, "to be either AUTO/NUMA/<int_value>")
            found["NUM_STREAMS"] = self._text("NUM_STREAMS").upper()
        if self._text("PERFORMANCE_HINT"):
            wanted = "to be LATENCY/THROUGHPUT/CUMULATIVE_THROUGHPUT"
            self._one_of("PERFORMANCE_HINT", HINTS, wanted)
            found["PERFORMANCE_HINT"] = self._text("PERFORMANCE_HINT").upper()
        return found

    def _text(self, key: str) -> str:
        return str(self._values.get(key, "")).lower()

    def _number(self, key: str) -> str:
        if not self._text(key).isdigit():
            self._fail(key, "to be a non-negative number")
        return self._text(key)

    def _one_of(self, key: str, allowed: tuple[str, ...], wanted: str) -> None:
        if self._text(key) not in allowed:
            self._fail(key, wanted)

    def _fail(self, key: str, wanted: str) -> None:
        raise pb_utils.TritonModelException(
            f"expected the parameter '{key}' {wanted}, got {self._text(key)}"
        )
