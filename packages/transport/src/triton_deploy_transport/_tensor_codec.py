"""Inference requests and responses in the binary form that HTTP has for them.

Source: Triton's ``docs/protocol/extension_binary_data.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triton_deploy_transport._tensor_bytes import decoded, encoded, from_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """The JSON that describes the inputs, and their bytes in the same order."""

    header: bytes
    tensors: tuple[memoryview, ...]


def encode_request(inputs: Mapping[str, NDArray[np.generic]]) -> EncodedRequest:
    """Encode an inference request that asks for binary outputs.

    Raises:
        InvalidInputError: an array's dtype has no counterpart in the protocol.
    """
    described: list[dict[str, Any]] = []
    tensors: list[memoryview] = []
    for name, array in inputs.items():
        datatype, data = encoded(name, array)
        tensors.append(data)
        described.append(
            {
                "name": name,
                "datatype": datatype,
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(data)},
            }
        )
    request = {"inputs": described, "parameters": {"binary_data_output": True}}
    return EncodedRequest(json.dumps(request).encode(), tuple(tensors))


def decode_response(body: memoryview, header_size: int) -> dict[str, NDArray[np.generic]]:
    """Decode an inference response; the arrays may share the body's memory.

    Args:
        body: the JSON and after it the bytes of the outputs.
        header_size: number of bytes of the JSON.

    Raises:
        ValueError, KeyError, TypeError: the body is not what the protocol says.
    """
    header = json.loads(bytes(body[:header_size]))
    outputs: dict[str, NDArray[np.generic]] = {}
    offset = header_size
    for output in header["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape = tuple(output["shape"])
        if size is None:
            array = from_values(output["data"], output["datatype"], shape)
        else:
            array = decoded(body[offset : offset + size], output["datatype"], shape)
            offset += size
        outputs[output["name"]] = array
    return outputs
