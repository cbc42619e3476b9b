"""Warm-up samples, as Triton judges them when it runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonclient.grpc import model_config_pb2 as pb


def warmup_problems(config: pb.ModelConfig, *, auto_complete: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the samples, each with its remedy."""
    for number, sample in enumerate(config.model_warmup):
        where = f"model_warmup {sample.name!r}" if sample.name else f"model_warmup[{number}]"
        if not auto_complete:
            yield from _inputs(config, sample, where)
            yield from _batch_size(config, sample, where)
        for name in sorted(sample.inputs):
            yield from _data(sample.inputs[name], f"{where}, input {name!r},")


def _inputs(
    config: pb.ModelConfig, sample: pb.ModelWarmup, where: str
) -> Iterator[tuple[str, str]]:
    for tensor in config.input:
        name = tensor.name
        if name not in sample.inputs and not tensor.optional:
            yield f"{where} leaves input {name!r} out", "add it"
        elif name in sample.inputs and sample.inputs[name].data_type != tensor.data_type:
            yield f"{where} has another data_type for input {name!r} than the model", "correct it"


def _batch_size(
    config: pb.ModelConfig, sample: pb.ModelWarmup, where: str
) -> Iterator[tuple[str, str]]:
    if 0 < config.max_batch_size < sample.batch_size:
        yield (
            f"{where} has batch_size {sample.batch_size}, over max_batch_size",
            f"make it {config.max_batch_size} or less, or raise max_batch_size",
        )


def _data(tensor: pb.ModelWarmup.Input, where: str) -> Iterator[tuple[str, str]]:
    if any(size < 0 for size in tensor.dims):
        yield f"{where} has dims {list(tensor.dims)}", "a sample has a definite shape"
    if tensor.WhichOneof("input_data_type") is None:
        yield f"{where} says no data", "add zero_data, random_data or input_data_file"
