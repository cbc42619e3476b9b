"""HTTP/1.1 messages as they pass: a head that is read, and a body that is not kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

_PIECE = 1 << 16
_MAX_LINE = 1 << 16
_NO_BODY = frozenset({204, 304})


class BrokenMessageError(Exception):
    """A peer closed the connection, or sent what is not HTTP, in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a message and its header lines, as they came."""

    start: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def read(cls, file: BinaryIO) -> Head | None:
        """Read one; none if the peer has closed the connection before it."""
        start = file.readline(_MAX_LINE)
        if not start:
            return None
        fields = []
        while line := file.readline(_MAX_LINE).rstrip(b"\r\n"):
            name, colon, value = line.partition(b":")
            if not colon:
                raise BrokenMessageError(f"no header: {line!r}")
            fields.append((name, value.strip()))
        return cls(start.rstrip(b"\r\n"), tuple(fields))

    def get(self, name: str) -> str:
        """Return a header's value, empty where there is none."""
        wanted = name.lower().encode()
        return next((v.decode("latin-1") for n, v in self.fields if n.lower() == wanted), "")

    def without(self, *names: str) -> Head:
        """Return it without some headers."""
        left_out = {name.lower().encode() for name in names}
        return Head(self.start, tuple(f for f in self.fields if f[0].lower() not in left_out))

    def encode(self) -> bytes:
        """Return the bytes to send on."""
        lines = [self.start, *(name + b": " + value for name, value in self.fields)]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start.split(b" ", 2)[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends after this message."""
        said = self.get("Connection").lower()
        return said == "close" or (b"HTTP/1.0" in self.start and said != "keep-alive")


@dataclass(frozen=True, slots=True)
class Body:
    """How a body is delimited. `length` is in bytes, -1 if it ends with the connection."""

    length: int
    chunked: bool = False

    @classmethod
    def of_request(cls, head: Head) -> Body:
        """Return the one that comes after a request's head."""
        return cls(int(head.get("Content-Length") or 0), _is_chunked(head))

    @classmethod
    def of_answer(cls, head: Head, method: str) -> Body:
        """Return the one that comes after an answer's head."""
        if method == "HEAD" or head.status in _NO_BODY:
            return cls(0)
        return cls(int(head.get("Content-Length") or -1), _is_chunked(head))

    def copy(self, source: BinaryIO, send: Callable[[bytes], object]) -> int:
        """Hand a body on piece by piece; return how many bytes it has, framing left out."""
        if self.chunked:
            return _copy_chunks(source, send)
        copied = 0
        while self.length < 0 or copied < self.length:
            wanted = _PIECE if self.length < 0 else min(_PIECE, self.length - copied)
            piece = source.read(wanted)
            if not piece:
                if self.length < 0:
                    break
                raise BrokenMessageError(f"{copied} bytes of {self.length}")
            send(piece)
            copied += len(piece)
        return copied


def _is_chunked(head: Head) -> bool:
    return "chunked" in head.get("Transfer-Encoding").lower()


def _copy_chunks(source: BinaryIO, send: Callable[[bytes], object]) -> int:
    copied = 0
    while True:
        line = source.readline(_MAX_LINE)
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise BrokenMessageError(f"no chunk: {line!r}") from None
        send(line)
        if size == 0:
            break
        send(source.read(size + 2))
        copied += size
    while (line := source.readline(_MAX_LINE)) not in {b"\r\n", b"\n", b""}:
        send(line)
    send(b"\r\n")
    return copied
