# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""A TorchScript module, run as Triton's C++ backend runs it.

Rules and messages are those of ``ValidateInputs``, ``ValidateOutputs`` and ``Execute`` in
``src/libtorch.cc`` of ``triton-inference-server/pytorch_backend``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensor_names import (  # type: ignore[import-not-found]
    input_places,
    is_permutation,
    output_places,
)
from torch_settings import Settings  # type: ignore[import-not-found]

DATA_TYPES = {
    "TYPE_BOOL": torch.bool,
    "TYPE_UINT8": torch.uint8,
    "TYPE_INT8": torch.int8,
    "TYPE_INT16": torch.int16,
    "TYPE_INT32": torch.int32,
    "TYPE_INT64": torch.int64,
    "TYPE_FP16": torch.float16,
    "TYPE_FP32": torch.float32,
    "TYPE_FP64": torch.float64,
}
NAMES = {kind: name for name, kind in DATA_TYPES.items()}


class ModelError(Exception):
    """What the backend says is wrong with a model, its configuration, or a request."""


class TorchScript:
    """A model and what its configuration says of it.

    Args:
        file: The model file.
        config: Triton's model configuration.
        settings: The parameters in it.

    Raises:
        ModelError: The file can't be loaded, or the configuration is not for it.
    """

    def __init__(self, file: Path, config: dict[str, Any], settings: Settings) -> None:
        self._name = config["name"]
        self._settings = settings
        self._batched = config["max_batch_size"] > 0
        try:
            with settings.entered():
                self._module = torch.jit.load(str(file), map_location="cpu")
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"failed to load model '{self._name}': {error}") from error
        schema = self._module.forward.schema
        self._arguments = [each for each in schema.arguments if each.type.kind() != "ClassType"]
        self._returned = schema.returns[0].type
        self._takes_dictionary = [each.type.kind() for each in self._arguments] == ["DictType"]
        self._inputs = self._checked_inputs(config)
        outputs = config["output"]
        self._check_entries("output", outputs)
        self._outputs = output_places([entry["name"] for entry in outputs])
        self._types = {entry["name"]: entry["data_type"] for entry in outputs}

    def _checked_inputs(self, config: dict[str, Any]) -> dict[str, int]:
        """Returns the place of each input and control among the arguments."""
        if not self._takes_dictionary:
            self._check_arguments()
        entries = config["input"]
        controls = config.get("sequence_batching", {}).get("control_input", [])
        names = [entry["name"] for entry in (*entries, *controls)]
        arguments = [argument.name for argument in self._arguments]
        if not self._takes_dictionary and len(names) != len(arguments):
            raise ModelError(
                f"unable to load model '{self._name}', configuration expects {len(names)} inputs, "
                f"model provides {len(arguments)}"
            )
        self._check_entries("input", entries)
        for control in controls:
            if "__" not in control["name"] or not control["name"].partition("__")[2].isdigit():
                raise ModelError(
                    f"input '{control['name']}' does not follow <name>__<index> naming convention."
                )
        if self._takes_dictionary:
            return {name: place for place, name in enumerate(names)}
        places: dict[str, int] = input_places(names, arguments)
        if not is_permutation(places.values()):
            raise ModelError(
                f"unable to load model '{self._name}', the inputs {', '.join(names)} are not "
                f"numbered from 0 to {len(names) - 1}"
            )
        return places

    def _check_arguments(self) -> None:
        kinds = [argument.type.kind() for argument in self._arguments]
        if "DictType" in kinds[1:]:
            raise ModelError(
                "Multiple inputs of kind DictType were detected. Only a single input of type "
                "Dict(str, Tensor) is supported."
            )
        for argument, kind in zip(self._arguments, kinds, strict=True):
            if kind not in {"TensorType", "ListType"}:
                raise ModelError(
                    f"An input of type '{argument.type}' was detected in the model. Only a single "
                    "input of type Dict(str, Tensor) or input(s) of type Tensor are supported."
                )

    def _check_entries(self, side: str, entries: list[dict[str, Any]]) -> None:
        if not entries:
            raise ModelError(
                f"model configuration must contain at least one {side}, none were specified."
            )
        for entry in entries:
            name, kind = entry["name"], entry["data_type"]
            if kind not in DATA_TYPES and kind != "TYPE_STRING":
                raise ModelError(
                    f"unsupported datatype {kind} for {side} '{name}' for model '{self._name}'"
                )
            dims = entry["reshape"].get("shape", []) if "reshape" in entry else entry["dims"]
            if kind == "TYPE_STRING" and len(dims) + self._batched > 1:
                raise ModelError(
                    f"Triton only supports 1 dimensional List of String as {side} for '{name}' "
                    f"for model '{self._name}'"
                )

    def run(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Returns every output of the configuration.

        Args:
            arrays: Every input by its name, text as objects, which are bytes.

        Raises:
            ModelError: The model fails, or what it returns is not what the configuration says.
        """
        with self._settings.entered():
            given = {name: _to_torch(array) for name, array in arrays.items()}
            try:
                results = self._results(given)
            except Exception as error:  # whatever a model raises
                raise ModelError(f"PyTorch execute failure: {error}") from error
            return {
                name: self._output(name, place, results) for name, place in self._outputs.items()
            }

    def _results(self, given: dict[str, Any]) -> list[Any]:
        if self._takes_dictionary:
            returned = self._module.forward(given)
        else:
            places = sorted(given, key=self._inputs.__getitem__)
            returned = self._module.forward(*(given[name] for name in places))
        results = list(returned) if isinstance(returned, tuple) else [returned]
        for place, result in enumerate(results):
            if isinstance(result, torch.Tensor):
                continue
            where = f"output at index {place}" if isinstance(returned, tuple) else "output"
            if not isinstance(result, list):
                raise ModelError(
                    f"{where} must be of type Tensor, List[str] or Tuple containing one of these "
                    "two types. It should not be a List / Dictionary of Tensors or a Scalar"
                )
            if any(not isinstance(item, str) for item in result):
                raise ModelError(
                    f"{where} must be of type Tensor or List[str], received {self._returned}"
                )
        return results

    def _output(self, name: str, place: int, results: list[Any]) -> NDArray[Any]:
        if place >= len(results):
            raise ModelError(
                f"The output {name} in the model configuration refers to an output index which "
                f"doesn't exist. This model has {len(results)} outputs"
            )
        result = results[place]
        if isinstance(result, list):
            return np.array([text.encode() for text in result], dtype=np.object_)
        provided = NAMES.get(result.dtype, "TYPE_INVALID")
        if provided != self._types[name]:
            raise ModelError(
                f"configuration expects datatype {self._types[name]} for output '{name}', model "
                f"provides {provided}"
            )
        if not result.ndim:
            raise ModelError(f"output '{name}' is a scalar which is not supported.")
        array: NDArray[Any] = result.contiguous().numpy()
        return array


def _to_torch(array: NDArray[Any]) -> Any:
    if array.dtype == np.object_:  # Triton gives bytes, TorchScript takes str
        return [text.decode("utf-8", "replace") for text in array.ravel()]
    return torch.from_numpy(np.require(array, requirements="W"))
