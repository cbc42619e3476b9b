"""Who was left behind: servers without which an operation went on, and what they missed.

A deployment's entry brings such a server up to date when it is back; that of a name that was
deleted meanwhile has it unload what it may serve still. One that is not among the servers any more
is forgotten after a month: a pod that was scaled away never comes back under its URL.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_deploy_core.server_names import check_url
from triton_deploy_core.shown import shown

_FORMAT = 1
_MOST = 1000
_MOST_WORDS = 500
_FORGOTTEN_AFTER_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Straggler:
    """A server that was left behind.

    Attributes:
        why: why it was, in one line.
        coming: the versions that it may have been told to load before it was.
        since: when it was, the last time, in seconds since the epoch.
    """

    why: str
    coming: frozenset[int] = frozenset()
    since: float = 0.0


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

    def after(
        self,
        *,
        reached: Collection[str],
        left: Mapping[str, str],
        coming: Iterable[int],
        known: Collection[str],
        now: float,
    ) -> Behind:
        """Return who is behind after an operation.

        Args:
            reached: the URLs of servers that it brought up to date.
            left: URL → why, of those that it left behind.
            coming: the versions that it may have told these to load.
            known: the URLs of all servers that there are.
            now: in seconds since the epoch.
        """
        others = self.without(reached)
        behind = dict(others.without(others.long_gone({*known, *left}, now=now).servers).servers)
        for url, why in left.items():
            missed = self.servers[url].coming if url in self.servers else frozenset()
            behind[url] = Straggler(why[:_MOST_WORDS], missed | frozenset(coming), now)
        return Behind(behind)

    def long_gone(self, known: Collection[str], *, now: float) -> Behind:
        """Return those that can be forgotten: long ago, and none of the servers there are."""
        oldest = now - _FORGOTTEN_AFTER_SECONDS
        others = self.without(known).servers
        return Behind({url: one for url, one in others.items() if one.since < oldest})

    def encode(self) -> bytes:
        """Return the file's content."""
        servers = {
            url: {"why": one.why, "coming": sorted(one.coming), "since": one.since}
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
            return cls({check_url(url): _straggler(row) for url, row in rows})
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


def _straggler(row: Mapping[str, Any]) -> Straggler:
    why, coming, since = row["why"], row["coming"], row.get("since", 0.0)
    if not (isinstance(why, str) and isinstance(coming, list)):
        raise TypeError
    if not (type(since) in {int, float} and math.isfinite(since)):
        raise ValueError
    return Straggler(
        shown(why[:_MOST_WORDS]),
        frozenset(number for number in coming if type(number) is int and number >= 0),
        since,
    )
