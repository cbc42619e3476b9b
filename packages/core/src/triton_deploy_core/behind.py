"""Who was left behind: servers without which an operation went on, and what they missed.

A deployment's entry brings such a server up to date when it is back; that of a name that was
deleted meanwhile has it unload what it may serve still.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

_FORMAT = 1
_MOST = 1000
_MOST_WORDS = 500


@dataclass(frozen=True, slots=True)
class Straggler:
    """A server that was left behind.

    Attributes:
        why: why it was, in one line.
        coming: the versions that it may have been told to load before it was.
    """

    why: str
    coming: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Behind:
    """URL → server, of those that missed something under one name."""

    servers: Mapping[str, Straggler] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.servers)

    def among(self, urls: Collection[str]) -> Behind:
        """Return those of them that have these URLs."""
        return Behind({url: one for url, one in self.servers.items() if url in urls})

    def without(self, urls: Collection[str]) -> Behind:
        """Return the others."""
        return Behind({url: one for url, one in self.servers.items() if url not in urls})

    def joined_by(self, left: Mapping[str, str], coming: Iterable[int]) -> Behind:
        """Return them and those that an operation has left behind (URL → why) now."""
        joined = dict(self.servers)
        for url, why in left.items():
            missed = joined[url].coming if url in joined else frozenset()
            joined[url] = Straggler(why[:_MOST_WORDS], missed | frozenset(coming))
        return Behind(joined)

    def encode(self) -> bytes:
        """Return the file's content."""
        servers = {
            url: {"why": one.why, "coming": sorted(one.coming)}
            for url, one in sorted(self.servers.items())
        }
        return json.dumps({"format": _FORMAT, "servers": servers}, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Behind:
        """Read the file. What can't be read says of nobody that he is behind."""
        try:
            fields = json.loads(data)
            if fields["format"] != _FORMAT:
                return cls()
            rows = sorted(fields["servers"].items())[:_MOST]
            return cls({url: _straggler(row) for url, row in rows})
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


def _straggler(row: Mapping[str, object]) -> Straggler:
    why, coming = row["why"], row["coming"]
    if not (isinstance(why, str) and isinstance(coming, list)):
        raise TypeError
    return Straggler(
        why[:_MOST_WORDS],
        frozenset(number for number in coming if type(number) is int and number >= 0),
    )
