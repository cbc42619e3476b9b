"""The value of a tag: where a model is deployed under one name, an entry a repository.

``READY server=http://triton:8000 version=3 at=2026-11-29T09:30:00Z id=4f1c2a9e``; several entries
have ``; `` between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

_SEPARATOR = "; "
_ENTRY = re.compile(
    r"(?P<state>[A-Z]+) server=(?P<server>\S+)(?: host=(?P<host>\S+))?"
    r"(?: servers=(?P<servers>\S+))?(?: version=(?P<version>\d+))?"
    r" at=(?P<at>\S+) id=(?P<place>[0-9a-f]+)"
)
_LONGEST = 4000
"""Characters. MLflow 2.22 takes more, Databricks 4096."""
_IN_SERVER = "/:@[]!$&'()*+,="
"""What stays as it is of a server's URL: all that can be in one but what separates entries."""


@dataclass(frozen=True, slots=True)
class TagEntry:
    """What a tag says of one repository.

    Attributes:
        state: Triton's word for the deployment's state when that was written.
        server: the server's URL, or the fleet's, without user, password and query.
        host: the machine where `server` is, where its URL says ``localhost``; else empty.
        version: Triton's version, None where that is not known.
        at: when that was written, as ISO 8601 in UTC.
        place: tells repositories apart, and nothing else of them.
        servers: those of a fleet that the deployment is for, as patterns; empty for all.
    """

    state: str
    server: str
    host: str
    version: int | None
    at: str
    place: str
    servers: str = ""

    def __str__(self) -> str:
        words = [self.state, f"server={quote(self.server, safe=_IN_SERVER)}"]
        if self.host:
            words.append(f"host={quote(self.host)}")
        if self.servers:
            words.append(f"servers={quote(self.servers, safe=_IN_SERVER)}")
        if self.version is not None:
            words.append(f"version={self.version}")
        return " ".join([*words, f"at={self.at}", f"id={self.place}"])

    @classmethod
    def parse(cls, text: str) -> TagEntry | None:
        """Read one entry; None where it is none."""
        found = _ENTRY.fullmatch(text)
        if found is None:
            return None
        return cls(
            state=found["state"],
            server=unquote(found["server"]),
            host=unquote(found["host"] or ""),
            version=int(found["version"]) if found["version"] else None,
            at=found["at"],
            place=found["place"],
            servers=unquote(found["servers"] or ""),
        )


def read_tag(value: str) -> tuple[TagEntry, ...]:
    """Return the entries of a tag's value; what else somebody wrote there is left out."""
    entries = (TagEntry.parse(part) for part in value.split(_SEPARATOR))
    return tuple(entry for entry in entries if entry is not None)


def with_entry(value: str, entry: TagEntry) -> str:
    """Return a tag's value with an entry in the place of an earlier one of that repository.

    Where it gets too long the first ones go, which are the oldest.
    """
    parts = [*_of_others(value, entry.place), str(entry)]
    while len(parts) > 1 and len(_SEPARATOR.join(parts)) > _LONGEST:
        del parts[0]
    return _SEPARATOR.join(parts)


def without_entry(value: str, place: str) -> str:
    """Return a tag's value without the entry of a repository; empty where nothing is left."""
    return _SEPARATOR.join(_of_others(value, place))


def has_entry(value: str, place: str) -> bool:
    """Tell whether a tag's value has an entry of a repository."""
    return any(entry.place == place for entry in read_tag(value))


def _of_others(value: str, place: str) -> list[str]:
    parts = value.split(_SEPARATOR) if value else []
    entries = ((part, TagEntry.parse(part)) for part in parts)
    return [part for part, entry in entries if entry is None or entry.place != place]
