"""Inputs, outputs and batch tensors of a configuration, as Triton judges them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2 as pb

from triton_deploy_transport._ensemble_check import is_ensemble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIZES = "each is 1 or more, or -1 for any size"
_IMAGE_DIMS = 3  # height, width, channels


def tensor_problems(config: pb.ModelConfig, *, auto_complete: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the tensors, each with its remedy."""
    # Nothing completes an ensemble's tensors.
    complete = not auto_complete or is_ensemble(config)
    batching = config.max_batch_size > 0
    for number, tensor in enumerate(config.input):
        where = _where("input", number, tensor.name)
        yield from _tensor(tensor, where, complete=complete, batching=batching)
        yield from _image_format(tensor, where)
        yield from _shape_tensor(config, tensor, where)
    for number, output in enumerate(config.output):
        where = _where("output", number, output.name)
        yield from _tensor(output, where, complete=complete, batching=batching)
        yield from _shape_tensor(config, output, where)
    yield from _batch_tensors(config)


def _where(kind: str, number: int, name: str) -> str:
    return f"{kind} {name!r}" if name else f"{kind}[{number}]"


def _tensor(
    tensor: pb.ModelInput | pb.ModelOutput, where: str, *, complete: bool, batching: bool
) -> Iterator[tuple[str, str]]:
    if not tensor.name:
        yield f"{where} has no name", "name it as the model does"
    if complete and tensor.data_type == pb.TYPE_INVALID:
        yield f"{where} has no data_type", "add one, such as data_type: TYPE_FP32"
    if complete and not tensor.dims:
        yield f"{where} has no dims", "add them without the batch dimension, such as dims: [ -1 ]"
    if not _are_sizes(tensor.dims):
        yield f"{where} has dims {list(tensor.dims)}", _SIZES
    elif tensor.HasField("reshape") and tensor.dims:
        yield from _reshape(tensor, where, batching=batching)


def _reshape(
    tensor: pb.ModelInput | pb.ModelOutput, where: str, *, batching: bool
) -> Iterator[tuple[str, str]]:
    dims, shape = list(tensor.dims), list(tensor.reshape.shape)
    if not shape and not batching:
        yield (
            f"{where} is reshaped to a scalar without batching",
            "give reshape a shape, or set max_batch_size",
        )
    elif not _are_sizes(shape):
        yield f"{where} is reshaped to {shape}", _SIZES
    elif _fixed_runs(dims) != _fixed_runs(shape):
        yield (
            f"{where} has dims {dims} but is reshaped to {shape}",
            "keep the number of elements, also between sizes that are -1",
        )


def _are_sizes(sizes: Sequence[int]) -> bool:
    return all(size >= 1 or size == -1 for size in sizes)


def _fixed_runs(sizes: Sequence[int]) -> list[int]:
    """Return the number of elements before, between and after the sizes that may be anything."""
    edges = [-1, *(index for index, size in enumerate(sizes) if size == -1), len(sizes)]
    return [math.prod(sizes[begin + 1 : end]) for begin, end in itertools.pairwise(edges)]


def _image_format(tensor: pb.ModelInput, where: str) -> Iterator[tuple[str, str]]:
    if tensor.format != pb.ModelInput.FORMAT_NONE and len(tensor.dims) not in {0, _IMAGE_DIMS}:
        name = pb.ModelInput.Format.Name(tensor.format)
        yield f"{where} is {name} but has {len(tensor.dims)} dims", "give it three, or no format"


def _shape_tensor(
    config: pb.ModelConfig, tensor: pb.ModelInput | pb.ModelOutput, where: str
) -> Iterator[tuple[str, str]]:
    tensorrt = config.platform == "tensorrt_plan" or config.backend in {"", "tensorrt"}
    if tensor.is_shape_tensor and not tensorrt:
        yield f"{where} is a shape tensor, which only TensorRT has", "take is_shape_tensor out"


def _batch_tensors(config: pb.ModelConfig) -> Iterator[tuple[str, str]]:
    inputs = {tensor.name for tensor in config.input}
    outputs = {tensor.name for tensor in config.output}
    for number, batch in enumerate(config.batch_input):
        where = f"batch_input[{number}]"
        if batch.data_type not in {pb.TYPE_INT32, pb.TYPE_FP32}:
            yield f"{where} is neither TYPE_INT32 nor TYPE_FP32", "make it one of the two"
        yield from _unknown(where, "source_input", batch.source_input, inputs)
        if len(batch.source_input) != 1:
            yield f"{where} has {len(batch.source_input)} source inputs", "name exactly one"
    for number, out in enumerate(config.batch_output):
        where = f"batch_output[{number}]"
        yield from _unknown(where, "target_name", out.target_name, outputs)
        yield from _unknown(where, "source_input", out.source_input, inputs)


def _unknown(
    where: str, field: str, names: Sequence[str], known: set[str]
) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in known:
            yield f"{where} has {field} {name!r}, which is no tensor of the model", "correct it"
