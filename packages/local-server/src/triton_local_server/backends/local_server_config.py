# ruff: noqa: INP001 - a file in a folder as Triton wants it, not a package
"""What the local server's backends do alike with a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]


def refuse_unsupported(config: dict[str, Any], backend: str) -> None:
    """Does nothing if a configuration asks for nothing that only the C++ backend has.

    Raises:
        TritonModelException: It does.
    """
    unsupported = {
        "batch_input": config.get("batch_input"),
        "batch_output": config.get("batch_output"),
        "allow_ragged_batch": any(e.get("allow_ragged_batch") for e in config["input"]),
        "sequence_batching.state": config.get("sequence_batching", {}).get("state"),
    }
    for field, used in unsupported.items():
        if used:
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', '{field}' is not supported by the local "
                f"server's {backend} backend"
            )


def model_file() -> Path:
    """Returns the model's file while a configuration is completed.

    It is the first argument of the stub; nothing else tells the version then.
    """
    return Path(Path("/proc/self/cmdline").read_bytes().split(b"\0")[1].decode())


def entry_shape(entry: dict[str, Any]) -> list[int]:
    """Returns the shape of an input or output as the model sees it: its ``reshape``, else dims."""
    shape = entry["reshape"].get("shape") if "reshape" in entry else entry["dims"]
    return [int(size) for size in shape or []]


def shape_text(shape: list[int]) -> str:
    """Formats a shape as Triton does: ``[-1,16]``."""
    return f"[{','.join(map(str, shape))}]"
