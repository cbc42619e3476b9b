"""Protobuf's text format without a schema: enough of it for Triton's ``config.pbtxt``.

Both ``field { … }`` and ``field: { … }``, ``<…>`` messages, lists in brackets, strings in either
quotes with escapes and concatenation, numbers, identifiers, comments, ``,`` and ``;`` between
fields.
Source: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from triton_deploy_core.errors import InvalidPackageError

_TOKEN = re.compile(
    r"""
    (?P<space> (?: \s | \#[^\n]* )+ )
  | (?P<string> "(?:[^"\\\n]|\\[abfnrtv\\'"0-7xuU])*" | '(?:[^'\\\n]|\\[abfnrtv\\'"0-7xuU])*' )
  | (?P<number> [-+]? (?: 0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+) (?:[eE][-+]?\d+)? f? ) (?![\w.]) )
  | (?P<word> -?[A-Za-z_][A-Za-z0-9_]* )
  | (?P<mark> [{}<>\[\]:,;] )
    """,
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_OCTAL = re.compile(r"0[0-7]+")
# Python 3.11 miscounts the depth of its recursion when two threads parse at once.
_PARSER = threading.Lock()


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it is written: `start` and `end` are its place in the text."""

    name: str
    value: Value
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """An identifier as a value: ``true``, ``TYPE_FP32``."""

    text: str


Message: TypeAlias = tuple[Field, ...]
Scalar: TypeAlias = "str | int | float | Word"
Value: TypeAlias = "Scalar | Message | list[Scalar | Message]"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@lru_cache(maxsize=256)
def parse_text(text: str) -> Message:
    """Return the fields of a message in the text format, in their order; not to be changed.

    Raises:
        InvalidPackageError: it is not in the text format.
    """
    return _Parser(text).document()


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refused(text, at, f"{text[at]!r} is not expected there")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match.group(), at, match.end()))
        at = match.end()
    return found


def _refused(text: str, at: int, why: str) -> InvalidPackageError:
    line = text.count("\n", 0, at) + 1
    return InvalidPackageError(
        f"config.pbtxt, line {line}: {why}. Write it in protobuf's text format."
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: Sequence[_Token] = _tokens(text)
        self._at = 0

    def document(self) -> Message:
        fields = self._fields("")
        if self._at < len(self._tokens):
            raise self._unexpected()
        return fields

    def _fields(self, closing: str) -> Message:
        fields = []
        while self._peek() not in {"", closing}:
            fields.append(self._field())
        return tuple(fields)

    def _field(self) -> Field:
        name = self._next()
        if name.kind != "word" or name.text.startswith("-"):
            raise self._unexpected(name)
        colon = self._accept(":")
        if not colon and self._peek() not in {"{", "<", "["}:
            raise self._unexpected()
        value = self._list() if self._accept("[") else self._value()
        end = self._tokens[self._at - 1].end
        if not self._accept(",") and not self._accept(";"):
            return Field(name.text, value, name.start, end)
        return Field(name.text, value, name.start, self._tokens[self._at - 1].end)

    def _list(self) -> list[Scalar | Message]:
        items: list[Scalar | Message] = []
        if self._accept("]"):
            return items
        items.append(self._value())
        while self._accept(","):
            items.append(self._value())
        self._expect("]")
        return items

    def _value(self) -> Scalar | Message:
        token = self._next()
        if token.kind == "string":
            return self._string(token)
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "word":
            return Word(token.text)
        if token.text in _CLOSING:
            closing = _CLOSING[token.text]
            fields = self._fields(closing)
            self._expect(closing)
            return fields
        raise self._unexpected(token)

    def _string(self, first: _Token) -> str:
        parts = [first.text]
        while self._at < len(self._tokens) and self._tokens[self._at].kind == "string":
            parts.append(self._next().text)
        try:
            with _PARSER:
                return "".join(str(ast.literal_eval(part)) for part in parts)
        except (SyntaxError, ValueError):
            raise _refused(self._text, first.start, "a string has a wrong escape") from None

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self) -> _Token:
        if self._at == len(self._tokens):
            raise _refused(self._text, len(self._text), "the text ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected()

    def _unexpected(self, token: _Token | None = None) -> InvalidPackageError:
        if token is None:
            token = self._next()
        return _refused(self._text, token.start, f"{token.text!r} is not expected there")


def _number(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits[:2] in {"0x", "0X"}:
        return sign * int(digits, 16)
    if _OCTAL.fullmatch(digits):
        return sign * int(digits, 8)
    try:
        return sign * int(digits)
    except ValueError:
        return sign * float(digits.removesuffix("f"))
