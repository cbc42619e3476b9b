"""Warm-up with given inputs: Triton runs them on each version before that serves.

What Triton 2.51 does with ``model_warmup`` was seen on a real server: a data file holds one row,
which is run `batch_size` times in one batch; BYTES elements are each preceded by their length; a
`batch_size` of 0 runs nothing at all, without batching too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2 as pb

from triton_deploy_core.ports.model_server import ModelMetadata, TensorSpec
from triton_deploy_transport._tensor_bytes import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from triton_deploy_transport.pbtxt import ModelConfig

WARMUP_DIRECTORY = "warmup"
"""Where in a model's directory Triton looks for data files."""


def described(config: ModelConfig, name: str) -> ModelMetadata:
    """Return what a server would say that a model of this configuration takes and gives.

    Args:
        config: a complete configuration.
        name: the model's.
    """
    batch = (-1,) if config.max_batch_size > 0 else ()
    inputs, outputs = (
        tuple(
            TensorSpec(tensor.name, _datatype(tensor.data_type), (*batch, *tensor.dims))
            for tensor in tensors
        )
        for tensors in (config.input, config.output)
    )
    return ModelMetadata(name, (), config.platform or config.backend, inputs, outputs)


def add_warmup(
    config: ModelConfig, sample: str, inputs: Mapping[str, NDArray[Any]]
) -> dict[str, bytes]:
    """Add a sample to a configuration and return its files, by path in the model's directory.

    Files are named by their content, so that no file of an older sample is ever replaced: until
    an update is committed, the old version is warmed up with its own.

    Args:
        config: the configuration, which is changed. A sample of the same name is replaced.
        sample: the sample's name.
        inputs: input name → array, in the dtype that the model takes. With batching the first
            dimension is the batch: the first row is run as often as there are rows, at most
            `max_batch_size` times.

    Raises:
        InvalidInputError: an array has a dtype that Triton has not.
    """
    others = [entry for entry in config.model_warmup if entry.name != sample]
    del config.model_warmup[:]
    config.model_warmup.extend(others)
    warmup = config.model_warmup.add(name=sample, batch_size=1)
    files = {}
    for tensor in config.input:
        if tensor.name not in inputs:
            continue
        array = inputs[tensor.name]
        if config.max_batch_size > 0:
            warmup.batch_size = min(array.shape[0], config.max_batch_size)
            array = array[0]
        data = bytes(encoded(tensor.name, array)[1])
        file = f"{sample}-{hashlib.sha256(data).hexdigest()[:16]}"
        files[f"{WARMUP_DIRECTORY}/{file}"] = data
        taken = warmup.inputs[tensor.name]
        taken.data_type = tensor.data_type
        taken.dims.extend(array.shape)
        taken.input_data_file = file
    return files


def _datatype(number: pb.DataType) -> str:
    name: str = pb.DataType.Name(number)
    return "BYTES" if name == "TYPE_STRING" else name.removeprefix("TYPE_")
