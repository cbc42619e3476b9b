"""Runs the local server's backend for TorchScript without a server, many cases in one process.

Usage: python pytorch_cases.py BACKEND_DIRECTORY, with PyTorch on the path; prints JSON: name → what
the backend answered, or said.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, sys.argv[1])
from torch_settings import SettingError, Settings
from torchscript import ModelError, TorchScript

ONE, TWO = np.ones((2, 2), np.float32), np.full((2, 2), 2, np.float32)


class Difference(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


class Entries(nn.Module):
    def forward(self, entries: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return entries["x"] + 1, entries["y"] * 2


class Words(nn.Module):
    def forward(self, words: list[str]) -> list[str]:
        return [word.upper() for word in words]


class Listed(nn.Module):
    def forward(self, a: Tensor) -> list[Tensor]:
        return [a]


class Named(nn.Module):
    def forward(self, a: Tensor) -> dict[str, Tensor]:
        return {"a": a}


class Single(nn.Module):
    def forward(self, a: Tensor) -> Tensor:
        return a.sum()


class Flagged(nn.Module):
    def forward(self, a: Tensor, flag: bool) -> Tensor:
        return a if flag else -a


class Two(nn.Module):
    def forward(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return a["x"] + b["x"]


class Fails(nn.Module):
    def forward(self, a: Tensor) -> Tensor:
        if a.sum() > 0:
            raise ValueError("no such sum")
        return a


class Modes(nn.Module):
    def forward(self, a: Tensor) -> Tensor:
        flags = [torch.is_grad_enabled(), a.is_inference()]
        return torch.tensor(flags)


def entry(name: str, kind: str = "TYPE_FP32", dims: Sequence[int] = (-1, 2)) -> dict[str, Any]:
    return {"name": name, "data_type": kind, "dims": list(dims)}


def config(
    inputs: Sequence[Any] = ("a",), outputs: Sequence[Any] = ("OUTPUT__0",), **more: Any
) -> dict[str, Any]:
    parameters = {key: {"string_value": text} for key, text in more.pop("parameters", {}).items()}
    sides = {
        side: [each if isinstance(each, dict) else entry(each) for each in entries]
        for side, entries in (("input", inputs), ("output", outputs))
    }
    return {"name": "m", "max_batch_size": 0, **sides, "parameters": parameters, **more}


AB = {"a": ONE, "b": TWO}
TEXT = {"kind": "TYPE_STRING", "dims": [-1]}
START = {"sequence_batching": {"control_input": [{"name": "START__1"}]}}
CASES: dict[str, tuple[nn.Module, dict[str, Any], dict[str, Any]]] = {
    "by name": (Difference(), config(["b", "a"]), AB),
    "by number": (Difference(), config(["x__1", "x__0"]), {"x__1": ONE, "x__0": TWO}),
    "in order": (Difference(), config(["x", "a"]), {"x": ONE, "a": TWO}),
    "not numbered": (Difference(), config(["x__0", "x__2"]), AB),
    "control": (Difference(), config(["a__0"], **START), {"a__0": ONE, "START__1": TWO}),
    "too few": (Difference(), config(["a"]), AB),
    "no output": (Difference(), config(["a", "b"], []), AB),
    "type": (Difference(), config(["a", entry("b", "TYPE_UINT32")]), AB),
    "other type": (Difference(), config(["a", "b"], [entry("y", "TYPE_FP64")]), AB),
    "no such output": (Difference(), config(["a", "b"], ["y__0", "y__1"]), AB),
    "dictionary": (Entries(), config(["x", "y"], ["p", "q"]), {"x": ONE, "y": TWO}),
    "text": (
        Words(),
        config([entry("words", **TEXT)], [entry("y", **TEXT)]),
        {"words": np.array([b"a", "ä".encode()], dtype=object)},
    ),
    "text of two dimensions": (
        Words(),
        config([entry("words", "TYPE_STRING")], [entry("y", **TEXT)]),
        {},
    ),
    "list": (Listed(), config(), {"a": ONE}),
    "named": (Named(), config(), {"a": ONE}),
    "scalar": (Single(), config(), {"a": ONE}),
    "flag": (Flagged(), config(["a", "flag"]), AB),
    "dictionaries": (Two(), config(["a", "b"]), AB),
    "fails": (Fails(), config(), {"a": ONE}),
    "modes": (Modes(), config(outputs=[entry("y", "TYPE_BOOL")]), {"a": ONE}),
    "no inference mode": (
        Modes(),
        config(outputs=[entry("y", "TYPE_BOOL")], parameters={"INFERENCE_MODE": "off"}),
        {"a": ONE},
    ),
    "settings": (
        Difference(),
        config(
            ["a", "b"],
            parameters={
                "DISABLE_OPTIMIZED_EXECUTION": "true",
                "ENABLE_JIT_PROFILING": "0",
                "ENABLE_JIT_EXECUTOR": "1",
                "ENABLE_TENSOR_FUSER": "False",
                "ENABLE_WEIGHT_SHARING": "on",
                "INTRA_OP_THREAD_COUNT": "1",
            },
        ),
        AB,
    ),
    "no number": (Difference(), config(parameters={"INTRA_OP_THREAD_COUNT": "many"}), AB),
    "no boolean": (Difference(), config(parameters={"ENABLE_CACHE_CLEANING": "yes"}), AB),
}


def answer(module: nn.Module, given: dict[str, Any], inputs: dict[str, Any], file: Path) -> Any:
    torch.jit.script(module).save(str(file))
    try:
        outputs = TorchScript(file, given, Settings(given)).run(inputs)
    except (ModelError, SettingError) as error:
        return str(error)
    texts = {name: [text.decode() for text in y] for name, y in outputs.items() if y.dtype == "O"}
    return {name: texts.get(name) or y.tolist() for name, y in outputs.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "model.pt")
        answers = {name: answer(*case, file) for name, case in CASES.items()}
        file.write_bytes(b"no archive")
        try:
            TorchScript(file, config(), Settings(config()))
        except ModelError as error:
            answers["no model"] = str(error)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
