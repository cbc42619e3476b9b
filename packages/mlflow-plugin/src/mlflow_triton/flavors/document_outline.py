"""JSON and UBJSON documents without their long parts, read in pieces.

Models of gigabytes keep what a deployment has to know beside their trees. What is under a key that
is left out is walked over: it takes no memory. Source of UBJSON: Draft 12 (ubjson.org), and its
typed arrays as ``src/common/json.cc`` of dmlc/xgboost writes them.
"""

from __future__ import annotations

import codecs
import json
import re
import struct
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from mlflow_triton.ranged_reading import RangedReader
from triton_deploy_core.errors import InvalidPackageError

_PIECE = 1 << 20
_DEPTH = 64
_NUMBERS: Mapping[bytes, str] = MappingProxyType(
    {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
)
_CONSTANTS: Mapping[bytes, Any] = MappingProxyType({b"T": True, b"F": False, b"Z": None})


class NotADocumentError(InvalidPackageError):
    """The bytes are not what they should be."""


def read_outline(reader: RangedReader, leave_out: Collection[str]) -> Any:
    """Return a document; what is under the keys that are left out is None.

    Args:
        reader: of the file, in JSON or UBJSON.
        leave_out: names of keys, wherever they are.

    Raises:
        NotADocumentError: the file is neither, or is cut short.
    """
    text = is_json(reader)
    outline = _Json(reader, leave_out) if text else _Ubjson(reader, leave_out)
    try:
        return outline.value(0)
    except (ValueError, struct.error) as error:
        kind = "JSON" if text else "UBJSON"
        raise NotADocumentError(f"it is not {kind}: {error}") from error


def is_json(reader: RangedReader) -> bool:
    """Tell whether a document is JSON, by its start."""
    return re.match(rb"\s*\{\s*[\"}]", reader.read(0, 64)) is not None


class _Json:
    """A reader of JSON that keeps no more than a piece of what it walks over."""

    def __init__(self, reader: RangedReader, leave_out: Collection[str]) -> None:
        self._reader = reader
        self._leave_out = leave_out
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._read = 0
        self._text = ""
        self._at = 0

    def value(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError("it is nested too deep")
        match self._next():
            case "{":
                return dict(self._members(depth))
            case "[":
                return list(self._items(depth))
            case '"':
                return self._string()
            case _:
                return json.loads(self._match(_SCALAR))

    def _members(self, depth: int) -> Any:
        for _ in self._elements("}"):
            if self._next() != '"':
                raise ValueError("a key is missing")
            key = self._string()
            self._expect(":")
            if key in self._leave_out:
                self._skip()
                yield key, None
            else:
                yield key, self.value(depth + 1)

    def _items(self, depth: int) -> Any:
        for _ in self._elements("]"):
            yield self.value(depth + 1)

    def _elements(self, end: str) -> Any:
        self._at += 1
        if self._next() == end:
            self._at += 1
            return
        while True:
            yield
            if self._next() == end:
                self._at += 1
                return
            self._expect(",")

    def _skip(self) -> None:
        if self._next() not in "{[":
            self.value(0)
            return
        depth = 0
        while True:
            self._match(_NEITHER)
            match self._next():
                case '"':
                    self._string()
                    continue
                case "{" | "[":
                    depth += 1
                case _:
                    depth -= 1
            self._at += 1
            if not depth:
                return

    def _string(self) -> str:
        return str(json.loads(self._match(_STRING)))

    def _expect(self, wanted: str) -> None:
        if self._next() != wanted:
            raise ValueError(f"{wanted!r} is missing")
        self._at += 1

    def _next(self) -> str:
        self._match(_SPACE)
        return self._text[self._at]

    def _match(self, pattern: re.Pattern[str]) -> str:
        """Return what matches here; a piece more is read where that may go on."""
        while True:
            found = pattern.match(self._text, self._at)
            if found is not None and found.end() < len(self._text):
                self._at = found.end()
                return found.group() if pattern in _KEPT else ""
            if found is not None and pattern not in _KEPT:
                self._at = found.end()
            if found is None and pattern is _SCALAR:
                raise ValueError("a value is missing")
            self._more()

    def _more(self) -> None:
        piece = self._reader.read(self._read, _PIECE) if self._read < self._reader.size else b""
        if not piece:
            raise ValueError("it ends too early")
        self._read += len(piece)
        self._text = self._text[self._at :] + self._decode(piece)
        self._at = 0


_SPACE = re.compile(r"[ \t\r\n]*")
_NEITHER = re.compile(r"[^\"{}\[\]]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")
_KEPT = (_STRING, _SCALAR)


class _Ubjson:
    """A reader of UBJSON that jumps over typed arrays."""

    def __init__(self, reader: RangedReader, leave_out: Collection[str]) -> None:
        self._reader = reader
        self._leave_out = leave_out
        self._at = 0

    def value(self, depth: int, *, keep: bool = True, marker: bytes | None = None) -> Any:
        if depth > _DEPTH:
            raise ValueError("it is nested too deep")
        marker = marker or self._marker()
        match marker:
            case b"{":
                return self._object(depth, keep=keep)
            case b"[":
                return self._array(depth, keep=keep)
            case b"S" | b"H":
                return self._string(keep=keep)
            case b"C":
                return self._take(1).decode("latin-1")
            case _ if marker in _CONSTANTS:
                return _CONSTANTS[marker]
        return self._number(marker)

    def _object(self, depth: int, *, keep: bool) -> dict[str, Any]:
        kind, count = self._header()
        members: dict[str, Any] = {}
        while count != 0:
            if count is None and self._peek() == b"}":
                self._at += 1
                break
            key = self._string(keep=True)
            kept = keep and key not in self._leave_out
            value = self.value(depth + 1, keep=kept, marker=kind)
            if keep:
                members[key] = value if kept else None
            count = None if count is None else count - 1
        return members

    def _array(self, depth: int, *, keep: bool) -> list[Any]:
        kind, count = self._header()
        if kind is not None and kind in _NUMBERS and count is not None and not keep:
            self._jump(count * struct.calcsize(_NUMBERS[kind]))
            return []
        items: list[Any] = []
        while count != 0:
            if count is None and self._peek() == b"]":
                self._at += 1
                break
            item = self.value(depth + 1, keep=keep, marker=kind)
            if keep:
                items.append(item)
            count = None if count is None else count - 1
        return items

    def _header(self) -> tuple[bytes | None, int | None]:
        kind = None
        if self._peek() == b"$":
            kind = self._take(2)[1:]
        if self._peek() != b"#":
            if kind is not None:
                raise ValueError("a count is missing")
            return None, None
        self._at += 1
        return kind, self._length()

    def _string(self, *, keep: bool) -> str:
        length = self._length()
        if keep:
            return self._take(length).decode("utf-8")
        self._jump(length)
        return ""

    def _length(self) -> int:
        length = self._number(self._marker())
        if not isinstance(length, int) or length < 0:
            raise ValueError(f"{length} is no length")
        return length

    def _number(self, marker: bytes) -> Any:
        form = _NUMBERS.get(marker)
        if form is None:
            raise ValueError(f"{marker!r} is no type")
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _marker(self) -> bytes:
        while True:
            marker = self._take(1)
            if marker != b"N":
                return marker

    def _peek(self) -> bytes:
        while True:
            marker = self._reader.read(self._at, 1)
            if marker != b"N":
                return marker
            self._at += 1

    def _jump(self, length: int) -> None:
        self._at += length
        if self._at > self._reader.size:
            raise ValueError("it ends too early")

    def _take(self, length: int) -> bytes:
        if self._at + length > self._reader.size:
            raise ValueError("it ends too early")
        data = self._reader.read(self._at, length)
        self._at += length
        return data
