"""An ONNX model without its weights: read past them, not through them.

The model file is walked field by field, as ``docs/programming-guides/encoding`` of protobuf has
it. What is small is kept; of what is long, messages are walked themselves, and the payload is
left out by jumping over it: numbers in tensors and attributes, and any other long text or bytes.
Names, types, dimensions, and where external data is (``onnx/onnx.proto``) are small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from mlflow_triton.ranged_reading import RangedReader

LONG = 1024
"""Bytes above which a field is looked into. Shapes and axes kept in tensors are far smaller."""

_MAX_DEPTH = 100  # protobuf's own
_MAX_VARINT = 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = MappingProxyType({_FIXED64: 8, _FIXED32: 4})

_PAYLOAD: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "onnx.TensorProto": frozenset(
            f"{kind}_data" for kind in ("float", "int32", "string", "int64", "double", "uint64")
        ),
        "onnx.AttributeProto": frozenset({"floats", "ints", "strings"}),
    }
)
"""Lists of numbers and strings, which may be written one by one: each is small, all are long."""

_ONE_VALUE = "onnx.AttributeProto"
"""An attribute has one value only, so that nothing has to be looked for behind its list."""


def skeleton(file: RangedReader) -> onnx.ModelProto:
    """Return a model without payload that is longer than `LONG`.

    Raises:
        DecodeError: it is no model, or cut off.
    """
    whole: Any = onnx.ModelProto.DESCRIPTOR
    model = onnx.ModelProto()
    model.ParseFromString(b"".join(_fields(file, whole, 0, file.size, _MAX_DEPTH)))
    return model


def _fields(
    file: RangedReader, message: Descriptor, start: int, end: int, depth: int
) -> Iterator[bytes]:
    """Yield the fields of a long message, those without its payload."""
    if not depth:
        raise DecodeError("messages are nested too deeply")
    payload = _PAYLOAD.get(message.full_name, frozenset())
    position = start
    while position < end:
        tag, body = _varint(file, position)
        length, body = _extent(file, tag & 7, body)
        after = body + length
        if after > end:
            raise DecodeError("a field is longer than the message that it is in")
        field = message.fields_by_number.get(tag >> 3)
        if field is not None and field.name in payload:
            if message.full_name == _ONE_VALUE:
                return
        elif length <= LONG:
            yield file.read(position, after - position)
        elif field is not None and field.message_type is not None:
            inner = b"".join(_fields(file, field.message_type, body, after, depth - 1))
            yield _encoded(tag) + _encoded(len(inner)) + inner
        position = after


def _extent(file: RangedReader, wire_type: int, position: int) -> tuple[int, int]:
    """Return the length of a field's value, and where the value begins."""
    if wire_type == _LENGTH:
        return _varint(file, position)
    if wire_type == _VARINT:
        return _varint(file, position)[1] - position, position
    if wire_type not in _FIXED:
        raise DecodeError("a field has no known wire type")
    return _FIXED[wire_type], position


def _varint(file: RangedReader, position: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = 0
    for index, byte in enumerate(file.read(position, _MAX_VARINT)):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 (the highest bit says that there is more)
            return value, position + index + 1
    raise DecodeError("a number has no end")


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 (seven bits a byte)
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
