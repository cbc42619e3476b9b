"""Inference requests and responses in the binary form that HTTP has for them.

Source: Triton's ``docs/protocol/extension_binary_data.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from triton_deploy_core.datatypes import datatype_of
from triton_deploy_transport._infer_request import NO_PLACES, Place
from triton_deploy_transport._tensor_bytes import copied, decoded, encoded, from_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from triton_deploy_core.ports.request_options import RequestedOutput
    from triton_deploy_transport._infer_request import InferRequest, Places

    # Name, data type, shape, and how many bytes follow or where they are.
    Described = tuple[str, str, tuple[int, ...], int | Place]

_CACHED_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """The JSON that describes the inputs, and their bytes in the same order."""

    header: bytes
    tensors: tuple[memoryview, ...]


def encode_request(request: InferRequest) -> EncodedRequest:
    """Encode an inference request that asks for binary outputs.

    Raises:
        InvalidInputError: an array's dtype has no counterpart in the protocol.
    """
    described: list[Described] = []
    tensors: list[memoryview] = []
    for name, array in request.inputs.items():
        place = request.input_places.get(name)
        if place is not None:
            described.append((name, datatype_of(array), array.shape, place))
            continue
        datatype, data = encoded(name, array)
        tensors.append(data)
        described.append((name, datatype, array.shape, len(data)))
    if request.options is None and not request.input_places:
        return EncodedRequest(_plain_header(tuple(described)), tuple(tensors))
    header = _request_header(described) | _optional_fields(request)
    return EncodedRequest(json.dumps(header).encode(), tuple(tensors))


# Requests come in series of the same shapes: what they have in common is made once.
@lru_cache(maxsize=256)
def _plain_header(described: tuple[Described, ...]) -> bytes:
    return json.dumps(_request_header(described)).encode()


def _request_header(described: Sequence[Described]) -> dict[str, Any]:
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": list(shape),
            "parameters": where.parameters()
            if isinstance(where, Place)
            else {"binary_data_size": where},
        }
        for name, datatype, shape, where in described
    ]
    return {"inputs": inputs, "parameters": {"binary_data_output": True}}


def _optional_fields(request: InferRequest) -> dict[str, Any]:
    options = request.options
    if options is None:
        return {}
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
            {"name": output.name, "parameters": _output_parameters(output, request.output_places)}
            for output in options.outputs
        ]
    return fields


def _output_parameters(output: RequestedOutput, places: Places) -> dict[str, bool | int | str]:
    place = places.get(output.name)
    if place is not None:
        return {**place.parameters()}
    if not output.classes:
        return {"binary_data": True}
    return {"binary_data": True, "classification": output.classes}


def decode_response(
    body: memoryview, header_size: int, places: Places = NO_PLACES
) -> dict[str, NDArray[np.generic]]:
    """Decode an inference response; the arrays may share the body's memory.

    Args:
        body: the JSON and after it the bytes of the outputs.
        header_size: number of bytes of the JSON.
        places: where the server wrote outputs instead, which are copied from there.

    Raises:
        ValueError, KeyError, TypeError: the body is not what the protocol says.
    """
    header = bytes(body[:header_size])
    binary = _binary_outputs(header) if header_size <= _CACHED_BYTES and not places else None
    if binary is None:
        return _outputs(body, header, places)
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


def _outputs(body: memoryview, header: bytes, places: Places) -> dict[str, NDArray[np.generic]]:
    outputs: dict[str, NDArray[np.generic]] = {}
    offset = len(header)
    for output in json.loads(header)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape = tuple(output["shape"])
        if output["name"] in places:
            array = copied(places[output["name"]].memory, output["datatype"], shape)
        elif size is None:
            array = from_values(output["data"], output["datatype"], shape)
        else:
            array = decoded(body[offset : offset + size], output["datatype"], shape)
            offset += size
        outputs[output["name"]] = array
    return outputs
