"""The name that somebody may have meant, where protobuf knows none of the name that was written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from tritonclient.grpc import model_config_pb2

_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]+)"')
_VALUES = (
    re.compile(r'Enum type "([\w.]+)" has no value named (\w+)'),
    re.compile(r"Invalid enum value (?P<value>\w+) for enum type (?P<type>[\w.]+?)\.* at "),
)


def suggestion(error: str) -> str:
    """Return `` (did you mean …?)`` for what a parser of protobuf said; "" where nobody knows."""
    field = _FIELD.search(error)
    if field is not None:
        message = _message(field.group(1))
        return "" if message is None else did_you_mean(field.group(2), message.fields_by_name)
    for pattern in _VALUES:
        found = pattern.search(error)
        if found is not None:
            named = found.groupdict() or {"type": found.group(1), "value": found.group(2)}
            enum = _enum(named["type"])
            return "" if enum is None else did_you_mean(named["value"], enum.values_by_name)
    return ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean …?)`` with the known name that is most like one; "" if none is."""
    names = list(known)
    # Prefixes of enumerations are what people leave out: FP32 is TYPE_FP32.
    whole = [other for other in names if other.endswith(f"_{name.upper()}")]
    close = whole or get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _message(full_name: str) -> Descriptor | None:
    try:
        return model_config_pb2.DESCRIPTOR.pool.FindMessageTypeByName(full_name)  # type: ignore[no-any-return]
    except KeyError:
        return None


def _enum(full_name: str) -> EnumDescriptor | None:
    try:
        return model_config_pb2.DESCRIPTOR.pool.FindEnumTypeByName(full_name)  # type: ignore[no-any-return]
    except KeyError:
        return None
