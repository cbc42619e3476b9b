"""Tensors to and from the raw bytes that the KServe v2 protocol has for them, by HTTP and by gRPC.

Source: Triton's ``docs/protocol/extension_binary_data.md``. All numbers are little endian; an
element of BYTES is its length in four bytes, then its bytes; arrays are in row-major order.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from triton_deploy_core.datatypes import NUMPY_DTYPES, datatype_of
from triton_deploy_core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_LITTLE: Mapping[str, np.dtype[Any]] = {
    name: dtype.newbyteorder("<") for name, dtype in NUMPY_DTYPES.items()
}
_SENT_AS_THEY_ARE = frozenset(
    dtype for name, dtype in NUMPY_DTYPES.items() if name != "BYTES" and dtype == _LITTLE[name]
)


def encoded(name: str, array: NDArray[np.generic]) -> tuple[str, memoryview]:
    """Return the protocol's data type for an input and its bytes, which may be the array's own.

    Raises:
        InvalidInputError: the array's dtype has no counterpart in the protocol.
    """
    try:
        datatype = datatype_of(array)
        return datatype, _bytes_of(array, datatype)
    except ValueError as error:
        message = f"input {name!r} can't be sent: {error}"
        raise InvalidInputError(message) from None


def _bytes_of(array: NDArray[np.generic], datatype: str) -> memoryview:
    if datatype == "BYTES":
        return memoryview(b"".join(_elements(array)))
    if array.flags.c_contiguous and array.dtype in _SENT_AS_THEY_ARE and array.size:
        return array.data.cast("B")
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    # Through uint8: an array of bfloat16 or of no element offers no buffer of its own.
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8).data


def write_into(memory: NDArray[np.uint8], array: NDArray[np.generic]) -> None:
    """Write the bytes of an array of numbers into memory of just that size, aligned for it."""
    place = memory.view(array.dtype.newbyteorder("<")).reshape(array.shape)
    np.copyto(place, array)


def _elements(array: NDArray[np.generic]) -> Iterator[bytes]:
    for element in array.ravel().tolist():
        data = element.encode() if isinstance(element, str) else element
        if not isinstance(data, bytes):
            message = f"an element is a {type(data).__name__}, BYTES are bytes or str"
            raise ValueError(message)  # noqa: TRY004 (the caller knows one kind of bad value)
        yield _LENGTH.pack(len(data))
        yield data


def decoded(data: memoryview, datatype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Return the tensor that these bytes are; it may share their memory.

    Raises:
        ValueError, KeyError: they are none of this type and shape.
    """
    if datatype == "BYTES":
        return _objects(list(_split(data))).reshape(shape)
    dtype = _dtype(datatype)
    if len(data) != math.prod(shape) * dtype.itemsize:
        message = f"{len(data)} bytes are no {datatype} tensor of shape {shape}"
        raise ValueError(message)
    if datatype == "BF16" or not data:  # neither has a buffer of its own
        return np.frombuffer(data, dtype=np.uint8).view(dtype).reshape(shape)
    array: NDArray[np.generic] = np.frombuffer(data, dtype=dtype).reshape(shape)
    # Behind another tensor's bytes, a tensor may begin where its type should not.
    return array if array.flags.aligned else array.copy()


def copied(memory: NDArray[np.uint8], datatype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Return the tensor of numbers that is at the beginning of some memory, as a copy.

    Raises:
        ValueError, KeyError: it is larger than that memory, or none of numbers.
    """
    size = math.prod(shape) * _dtype(datatype).itemsize
    return decoded(memory[:size].copy().data, datatype, shape)


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


def from_values(
    values: Sequence[Any], datatype: str, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    """Return the tensor of these elements, which are not in binary form; text is UTF-8.

    Raises:
        ValueError, KeyError: they are none of this type and shape.
    """
    if datatype == "BYTES":
        elements = [value if isinstance(value, bytes) else str(value).encode() for value in values]
        return _objects(elements).reshape(shape)
    return np.asarray(values, dtype=_dtype(datatype)).reshape(shape)


def _objects(elements: list[bytes]) -> NDArray[np.generic]:
    array = np.empty(len(elements), dtype=np.object_)
    array[:] = elements
    return array


def _dtype(datatype: str) -> np.dtype[Any]:
    if datatype == "BF16":
        return _bfloat16()
    return _LITTLE[datatype]


def _bfloat16() -> np.dtype[Any]:
    """Return numpy's bfloat16 where ml_dtypes provides it, else uint16: the same bits, raw."""
    try:
        import ml_dtypes  # noqa: PLC0415 (a library that not every installation has)
    except ImportError:
        return np.dtype("<u2")
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype
