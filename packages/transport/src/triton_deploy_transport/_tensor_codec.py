"""Tensors to and from the binary form of the KServe v2 protocol.

Source: Triton's ``docs/protocol/extension_binary_data.md``. All numbers are little endian; an
element of BYTES is its length in four bytes, then its bytes; arrays are in row-major order.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from triton_deploy_core.datatypes import NUMPY_DTYPES, datatype_of
from triton_deploy_core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")


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
        try:
            datatype = datatype_of(array)
            data = _encoded(array, datatype)
        except ValueError as error:
            message = f"input {name!r} can't be sent: {error}"
            raise InvalidInputError(message) from None
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
            array = _from_json(output["data"], output["datatype"])
        else:
            array = _decoded(body[offset : offset + size], output["datatype"], shape)
            offset += size
        outputs[output["name"]] = array.reshape(shape)
    return outputs


def _encoded(array: NDArray[np.generic], datatype: str) -> memoryview:
    if datatype == "BYTES":
        return memoryview(b"".join(_elements(array)))
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    # Through uint8: an array of bfloat16 or of no element offers no buffer of its own.
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8).data


def _elements(array: NDArray[np.generic]) -> Iterator[bytes]:
    for element in array.ravel().tolist():
        data = element.encode() if isinstance(element, str) else element
        if not isinstance(data, bytes):
            message = f"an element is a {type(data).__name__}, BYTES are bytes or str"
            raise ValueError(message)  # noqa: TRY004 (the caller knows one kind of bad value)
        yield _LENGTH.pack(len(data))
        yield data


def _decoded(data: memoryview, datatype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
    if datatype == "BYTES":
        return _objects(list(_split(data)))
    dtype = _dtype(datatype)
    if len(data) != math.prod(shape) * dtype.itemsize:
        message = f"{len(data)} bytes are no {datatype} tensor of shape {shape}"
        raise ValueError(message)
    return np.frombuffer(data, dtype=np.uint8).view(dtype)


def _split(data: memoryview) -> Iterator[bytes]:
    offset = 0
    while offset < len(data):
        (size,) = _LENGTH.unpack(data[offset : offset + _LENGTH.size].tobytes().ljust(4, b"\xff"))
        offset += _LENGTH.size
        if offset + size > len(data):
            message = "a BYTES tensor ends in the middle of an element"
            raise ValueError(message)
        yield data[offset : offset + size].tobytes()
        offset += size


def _from_json(data: list[Any], datatype: str) -> NDArray[np.generic]:
    if datatype == "BYTES":
        return _objects([str(element).encode() for element in data])
    return np.asarray(data, dtype=_dtype(datatype))


def _objects(elements: list[bytes]) -> NDArray[np.generic]:
    array = np.empty(len(elements), dtype=np.object_)
    array[:] = elements
    return array


def _dtype(datatype: str) -> np.dtype[Any]:
    if datatype == "BF16":
        return _bfloat16()
    dtype: np.dtype[Any] = NUMPY_DTYPES[datatype].newbyteorder("<")
    return dtype


def _bfloat16() -> np.dtype[Any]:
    """Return numpy's bfloat16 where ml_dtypes provides it, else uint16: the same bits, raw."""
    try:
        import ml_dtypes  # noqa: PLC0415 (a library that not every installation has)
    except ImportError:
        return np.dtype("<u2")
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype
