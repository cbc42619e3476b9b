"""A message of protobuf without what is long in it: read past that, not through it.

The file is walked field by field, as ``docs/programming-guides/encoding`` of protobuf has it. What
is small is kept; of what is long, messages are walked themselves, and anything else is left out by
jumping over it, messages that the given class does not know among it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import DecodeError, Message

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from mlflow_triton.ranged_reading import RangedReader

LONG = 1024
"""Bytes above which a field is looked into. Shapes and axes kept in tensors are far smaller."""

_MAX_DEPTH = 100  # protobuf's own
_MAX_VARINT = 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = MappingProxyType({_FIXED64: 8, _FIXED32: 4})

_Read = TypeVar("_Read", bound=Message)


@dataclass(frozen=True, slots=True)
class Payload:
    """Lists of numbers and strings, which may be written one by one: each is small, all are long.

    Attributes:
        fields: full name of a message → its fields that are left out of one that is long.
        last: messages that have nothing behind such a field.
    """

    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    last: frozenset[str] = frozenset()


def read_skeleton(
    file: RangedReader, message: type[_Read], payload: Payload | None = None
) -> _Read:
    """Return a message without what is longer than `LONG` in it.

    Raises:
        DecodeError: it is no such message, or cut off.
    """
    whole: Any = message.DESCRIPTOR
    found = message()
    walk = _Walk(file, payload or Payload())
    fields = walk.fields(whole, 0, file.size, _MAX_DEPTH)
    found.ParseFromString(b"".join(fields))
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk through a file."""

    file: RangedReader
    left_out: Payload

    def fields(self, message: Descriptor, start: int, end: int, depth: int) -> Iterator[bytes]:
        """Yield the fields of a long message, those without its payload."""
        if not depth:
            raise DecodeError("messages are nested too deeply")
        payload = self.left_out.fields.get(message.full_name, frozenset())
        position = start
        while position < end:
            tag, body = _varint(self.file, position)
            length, body = _extent(self.file, tag & 7, body)
            after = body + length
            if after > end:
                raise DecodeError("a field is longer than the message that it is in")
            known = message.fields_by_number.get(tag >> 3)
            if known is not None and known.name in payload:
                if message.full_name in self.left_out.last:
                    return
            elif length <= LONG:
                yield self.file.read(position, after - position)
            elif known is not None and known.message_type is not None:
                inner = b"".join(self.fields(known.message_type, body, after, depth - 1))
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
