# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""The parameters of the backend ``pytorch``, and what each sets in PyTorch.

Source: ``ModelState::ParseParameters`` in ``src/libtorch.cc`` of
``triton-inference-server/pytorch_backend``, ``ParseBoolValue`` of ``.../backend``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

_FLAGS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_WITHOUT_EFFECT = ("ENABLE_CACHE_CLEANING", "ENABLE_WEIGHT_SHARING", "DISABLE_CUDNN")
"""About GPUs, or instances in one process: read, since others would refuse what is no flag."""


class SettingError(Exception):
    """What the backend says of a parameter that it can't read."""


class Settings:
    """The parameters of one model, applied where that is once for all."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._values = {key: value["string_value"] for key, value in config["parameters"].items()}
        for name in _WITHOUT_EFFECT:
            self._flag(name, default=False)
        self._optimized = not self._flag("DISABLE_OPTIMIZED_EXECUTION", default=False)
        self._inference = self._flag("INFERENCE_MODE", default=True)
        engine = torch._C  # noqa: SLF001 - PyTorch has no other name for these
        for name, apply in (
            ("ENABLE_JIT_PROFILING", engine._jit_set_profiling_mode),  # noqa: SLF001
            ("ENABLE_JIT_EXECUTOR", engine._jit_set_profiling_executor),  # noqa: SLF001
            ("ENABLE_TENSOR_FUSER", engine._jit_set_texpr_fuser_enabled),  # noqa: SLF001
        ):
            if name in self._values:
                apply(self._flag(name, default=True))
        for name, apply in (
            ("INTRA_OP_THREAD_COUNT", torch.set_num_threads),
            ("INTER_OP_THREAD_COUNT", torch.set_num_interop_threads),
        ):
            if (count := self._number(name)) > 0:
                apply(count)

    def entered(self) -> ExitStack:
        """Returns the modes that a model is loaded and run in."""
        stack = ExitStack()
        stack.enter_context(torch.inference_mode(self._inference))
        stack.enter_context(torch.no_grad())  # after that one, which sets this mode too
        stack.enter_context(torch.jit.optimized_execution(self._optimized))
        return stack

    def _flag(self, name: str, *, default: bool) -> bool:
        text = self._values.get(name)
        if text is None:
            return default
        if text.lower() not in _FLAGS:
            raise SettingError(f"failed to convert '{text}' to boolean")
        return _FLAGS[text.lower()]

    def _number(self, name: str) -> int:
        text = self._values.get(name, "-1")
        try:
            return int(text)
        except ValueError:
            raise SettingError(f"failed to convert '{text}' to integral number") from None
