"""What the simulated Triton answers about and from a model, given its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triton_deploy_core.datatypes import NUMPY_DTYPES, datatype_of
from triton_deploy_core.errors import RequestRefusedError
from triton_deploy_core.ports.model_server import TensorSpec

Array = NDArray[np.generic]


def tensor_specs(config: Mapping[str, Any], field: str) -> tuple[TensorSpec, ...]:
    """Return the inputs or outputs (`field`) of a configuration, the batch dimension included."""
    batch = (-1,) if config.get("max_batch_size", 0) > 0 else ()
    return tuple(
        TensorSpec(
            tensor["name"],
            _datatype(tensor["data_type"]),
            (*batch, *(int(size) for size in tensor.get("dims", ()))),
        )
        for tensor in config.get(field, ())
    )


def answer(
    name: str, config: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, NDArray[np.generic]]:
    """Check a request as Triton does and answer every output.

    An output is a copy of the input of the same name, else of the same position, where its
    datatype and shape fit, else zeros with 1 for every free dimension but the batch's.

    Raises:
        RequestRefusedError: Triton would refuse the inputs, in its words.
    """
    specs = tensor_specs(config, "input")
    _check_names(name, config, inputs)
    given = [spec for spec in specs if spec.name in inputs]
    for spec in given:
        _check_tensor(name, spec, inputs[spec.name])
    batch = batch_size(config, inputs)
    largest = config.get("max_batch_size", 0)
    if largest and batch > largest:
        raise _refused(name, f"inference request batch-size must be <= {largest} for '{name}'")
    arrays = [inputs[spec.name] for spec in given]
    return {
        spec.name: _output(name, spec, _candidates(spec, position, inputs, arrays), batch)
        for position, spec in enumerate(tensor_specs(config, "output"))
    }


def batch_size(config: Mapping[str, Any], inputs: Mapping[str, Array]) -> int:
    """Return how many inferences a request is: its first dimension, or one without batching."""
    if config.get("max_batch_size", 0) <= 0 or not inputs:
        return 1
    return int(next(iter(inputs.values())).shape[0])


def _datatype(data_type: str) -> str:
    plain = data_type.removeprefix("TYPE_")
    return "BYTES" if plain == "STRING" else plain


def _check_names(name: str, config: Mapping[str, Any], inputs: Mapping[str, Array]) -> None:
    declared = [tensor["name"] for tensor in config.get("input", ())]
    required = [
        tensor["name"] for tensor in config.get("input", ()) if not tensor.get("optional", False)
    ]
    unexpected = sorted(inputs.keys() - set(declared))
    missing = [wanted for wanted in required if wanted not in inputs]
    if not len(required) <= len(inputs) <= len(declared):
        raise _refused(
            name,
            f"expected {len(declared)} inputs but got {len(inputs)} inputs for model '{name}'. "
            f"Got input(s) {_listed(sorted(inputs))}, but missing required input(s) "
            f"{_listed(missing)}. Please provide all required input(s).",
        )
    if unexpected:
        raise _refused(name, f"unexpected inference input '{unexpected[0]}' for model '{name}'")


def _listed(names: list[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"


def _check_tensor(name: str, spec: TensorSpec, array: Array) -> None:
    datatype = datatype_of(array)
    if datatype != spec.datatype:
        raise _refused(
            name,
            f"inference input '{spec.name}' data-type is '{datatype}', but model '{name}' "
            f"expects '{spec.datatype}'",
        )
    if not _fits(array.shape, spec.shape):
        expected = ",".join(str(size) for size in spec.shape)
        got = ",".join(str(size) for size in array.shape)
        raise _refused(
            name,
            f"unexpected shape for input '{spec.name}' for model '{name}'. "
            f"Expected [{expected}], got [{got}]. ",
        )


def _fits(shape: tuple[int, ...], pattern: tuple[int, ...]) -> bool:
    return len(shape) == len(pattern) and all(
        wanted in (-1, size) for size, wanted in zip(shape, pattern, strict=True)
    )


def _candidates(
    spec: TensorSpec, position: int, inputs: Mapping[str, Array], arrays: list[Array]
) -> list[Array]:
    same_name = [inputs[spec.name]] if spec.name in inputs else []
    return same_name + arrays[position : position + 1]


def _output(name: str, spec: TensorSpec, candidates: list[Array], batch: int) -> Array:
    for array in candidates:
        if datatype_of(array) == spec.datatype and _fits(array.shape, spec.shape):
            return _copied(array)
    if spec.datatype not in NUMPY_DTYPES:
        raise _refused(name, f"output '{spec.name}' is {spec.datatype}: nothing to answer with")
    shape = [batch if size < 0 and at == 0 else abs(size) for at, size in enumerate(spec.shape)]
    if spec.datatype == "BYTES":
        return np.full(shape, b"", dtype=np.object_)
    return np.zeros(shape, dtype=NUMPY_DTYPES[spec.datatype])


def _copied(array: Array) -> Array:
    if datatype_of(array) != "BYTES":
        # Over the wire there is one order of bytes.
        copied: Array = array.astype(array.dtype.newbyteorder("="))
        return copied
    result = np.empty(array.shape, dtype=np.object_)
    for at, item in np.ndenumerate(array):
        result[at] = item if isinstance(item, bytes) else str(item).encode()
    return result


def _refused(name: str, reason: str) -> RequestRefusedError:
    return RequestRefusedError(f"Triton refused the request to '{name}': {reason}", reason=reason)
