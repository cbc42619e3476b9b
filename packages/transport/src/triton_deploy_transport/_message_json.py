"""A protobuf message as JSON-ready data, the way Triton writes its configurations over HTTP.

Fields keep their names, those without a value have their default, enumerations are names. Integers
of 64 bits are numbers: protobuf's own ``MessageToDict`` makes text of them, and its options changed
their names between releases.
"""

from __future__ import annotations

import base64
from collections.abc import MutableMapping, MutableSequence
from typing import Any

from google.protobuf.message import Message


def to_json(message: Message) -> dict[str, Any]:
    """Return a message's fields; those that can be absent only where they are there."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, MutableMapping):
        element = field.message_type.fields_by_name["value"]
        return {str(key): _value(element, value[key]) for key in sorted(value)}
    if isinstance(value, MutableSequence):
        return [_value(field, element) for element in value]
    if isinstance(value, Message):
        return to_json(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value
