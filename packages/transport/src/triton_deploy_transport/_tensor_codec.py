"""Inference requests and responses in the binary form that HTTP has for them.

Source: Triton's ``docs/protocol/extension_binary_data.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from triton_deploy_transport._tensor_bytes import decoded, encoded, from_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.ports.request_options import RequestOptions

_CACHED_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """The JSON that describes the inputs, and their bytes in the same order."""

    header: bytes
    tensors: tuple[memoryview, ...]


def encode_request(
    inputs: Mapping[str, NDArray[np.generic]], options: RequestOptions | None = None
) -> EncodedRequest:
    """Encode an inference request that asks for binary outputs.

    Raises:
        InvalidInputError: an array's dtype has no counterpart in the protocol.
    """
    described: list[tuple[str, str, tuple[int, ...], int]] = []
    tensors: list[memoryview] = []
    for name, array in inputs.items():
        datatype, data = encoded(name, array)
        tensors.append(data)
        described.append((name, datatype, array.shape, len(data)))
    if options is None:
        return EncodedRequest(_plain_header(tuple(described)), tuple(tensors))
    header = _request_header(described) | _optional_fields(options)
    return EncodedRequest(json.dumps(header).encode(), tuple(tensors))


# Requests come in series of the same shapes: what they have in common is made once.
@lru_cache(maxsize=256)
def _plain_header(described: tuple[tuple[str, str, tuple[int, ...], int], ...]) -> bytes:
    return json.dumps(_request_header(described)).encode()


def _request_header(
    described: Sequence[tuple[str, str, tuple[int, ...], int]],
) -> dict[str, Any]:
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": list(shape),
            "parameters": {"binary_data_size": size},
        }
        for name, datatype, shape, size in described
    ]
    return {"inputs": inputs, "parameters": {"binary_data_output": True}}


def _optional_fields(options: RequestOptions) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "parameters": {
            **options.parameters,
            **options.scheduling(),
            "binary_data_output": True,
        }
    }
    if options.request_id:
        fields["id"] = options.request_id
    if options.outputs:
        fields["outputs"] = [
            {"name": output.name, "parameters": _output_parameters(output.classes)}
            for output in options.outputs
        ]
    return fields


def _output_parameters(classes: int) -> dict[str, bool | int]:
    if not classes:
        return {"binary_data": True}
    return {"binary_data": True, "classification": classes}


def decode_response(body: memoryview, header_size: int) -> dict[str, NDArray[np.generic]]:
    """Decode an inference response; the arrays may share the body's memory.

    Args:
        body: the JSON and after it the bytes of the outputs.
        header_size: number of bytes of the JSON.

    Raises:
        ValueError, KeyError, TypeError: the body is not what the protocol says.
    """
    header = bytes(body[:header_size])
    binary = _binary_outputs(header) if header_size <= _CACHED_BYTES else None
    if binary is None:
        return _outputs(body, header)
    outputs: dict[str, NDArray[np.generic]] = {}
    offset = header_size
    for name, datatype, shape, size in binary:
        outputs[name] = decoded(body[offset : offset + size], datatype, shape)
        offset += size
    return outputs


@lru_cache(maxsize=256)
def _binary_outputs(header: bytes) -> tuple[tuple[str, str, tuple[int, ...], int], ...] | None:
    """Return the outputs that a response announces, or None if one of them is in the JSON."""
    described = [
        (
            output["name"],
            output["datatype"],
            tuple(output["shape"]),
            output.get("parameters", {}).get("binary_data_size"),
        )
        for output in json.loads(header)["outputs"]
    ]
    return None if any(size is None for *_, size in described) else tuple(described)


def _outputs(body: memoryview, header: bytes) -> dict[str, NDArray[np.generic]]:
    outputs: dict[str, NDArray[np.generic]] = {}
    offset = len(header)
    for output in json.loads(header)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape = tuple(output["shape"])
        if size is None:
            array = from_values(output["data"], output["datatype"], shape)
        else:
            array = decoded(body[offset : offset + size], output["datatype"], shape)
            offset += size
        outputs[output["name"]] = array
    return outputs
