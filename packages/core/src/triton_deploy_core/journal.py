"""The journal of an operation under way: enough to undo it, or to finish it, after a crash.

It lies in the file of the lease, see `lease`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from triton_deploy_core import layout
from triton_deploy_core.errors import StoreError
from triton_deploy_core.keys import check_key, is_reserved
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.server_names import check_url

_FORMAT = 2


class Phase(Enum):
    """What has to happen to an operation that was interrupted."""

    UNDO = "undo"
    """It had not been seen to serve: put back what was there before."""

    SETTLE = "settle"
    """It serves: write the settled configuration and remove the garbage."""

    DELETE = "delete"
    """The deployment was being deleted: go on with that."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What an operation has to remember. Paths are inside the model's directory.

    Attributes:
        phase: what to do with what is left.
        before: path → tag of all files that there were before the operation; none: the name was
            free.
        inline: the content of small files that it replaces or removes.
        copies: path → where a copy of it waits, of larger ones. Copies that are gone are not
            needed any more.
        hiding: see `plan.Plan.hiding`.
        stand_in: a configuration under which the copies serve; see `stand_in.StandIn.config`.
        coming: the versions that the server was, or will be, told to load.
        reserved: the versions that only this operation writes: nothing else ever gets them.
        was_ready: what the server's ``/v2/health/ready`` said before the operation.
        settled: see `plan.Commit.settled`.
        settles: see `plan.Commit.settles`.
        garbage: see `plan.Plan.garbage`.
        named: see `named_configs.NamedConfigs.settled`.
        record: the record of what serves, where it is still to be written.
        servers: the servers that the operation is for, see `placement`.
        fleet: the URLs of the servers that it is about, where these are several: whoever finishes
            it may know others.
    """

    phase: Phase
    before: Mapping[str, str] = field(default_factory=dict)
    inline: Mapping[str, bytes] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    hiding: bytes | None = None
    stand_in: bytes | None = None
    coming: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()
    was_ready: bool = False
    settled: bytes | None = None
    settles: bool = False
    garbage: frozenset[str] = frozenset()
    named: Mapping[str, bytes] = field(default_factory=dict)
    record: bytes | None = None
    servers: str = ""
    fleet: frozenset[str] = frozenset()

    def fenced(self, present: Iterable[int]) -> frozenset[int]:
        """Return the versions that the operation may still write or delete if it was overtaken.

        Args:
            present: the versions that there are.
        """
        match self.phase:
            case Phase.UNDO:
                return self.reserved
            case Phase.SETTLE:
                return layout.versions(self.garbage)
            case Phase.DELETE:
                return frozenset(present)

    def encode(self) -> bytes:
        """Return the fields as a file's content."""
        return json.dumps(self.fields(), indent=1).encode()

    def fields(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "format": _FORMAT,
            "phase": self.phase.value,
            "before": dict(sorted(self.before.items())),
            "inline": {path: _text(data) for path, data in sorted(self.inline.items())},
            "copies": dict(sorted(self.copies.items())),
            "hiding": None if self.hiding is None else _text(self.hiding),
            "stand_in": None if self.stand_in is None else _text(self.stand_in),
            "coming": sorted(self.coming),
            "reserved": sorted(self.reserved),
            "was_ready": self.was_ready,
            "settled": None if self.settled is None else _text(self.settled),
            "settles": self.settles,
            "garbage": sorted(self.garbage),
            "named": {path: _text(data) for path, data in sorted(self.named.items())},
            "record": None if self.record is None else _text(self.record),
            "servers": self.servers,
            "fleet": sorted(self.fleet),
        }

    @classmethod
    def decode(cls, data: bytes, name: DeploymentName) -> Journal:
        """Read a file's content: see `of`."""
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError):
            fields = None
        return cls.of(fields, name)

    @classmethod
    def of(cls, fields: Any, name: DeploymentName) -> Journal:
        """Read a journal, which a stranger may have written.

        Raises:
            StoreError: it is not one that this version wrote, so nobody knows what to undo.
        """
        try:
            fields = _of_this_format(fields)
            return cls(
                phase=Phase(fields["phase"]),
                before={path: _string(fields["before"][path]) for path in _paths(fields["before"])},
                inline=_contents(fields["inline"]),
                copies=_copies(fields["copies"]),
                hiding=_bytes(fields["hiding"]),
                stand_in=_bytes(fields["stand_in"]),
                coming=_versions(fields["coming"]),
                # Not in those of older releases.
                reserved=_versions(fields.get("reserved", [])),
                was_ready=_bool(fields["was_ready"]),
                settled=_bytes(fields["settled"]),
                settles=_bool(fields["settles"]),
                garbage=_paths(fields["garbage"]),
                named=_contents(fields.get("named", {})),
                record=_bytes(fields["record"]),
                # Not in those of releases before fleets.
                servers=_string(fields.get("servers", "")),
                fleet=frozenset(check_url(url) for url in fields.get("fleet", ())),
            )
        except (
            *(ValueError, LookupError, TypeError),
            *(AttributeError, OverflowError, RecursionError),
        ) as error:
            raise StoreError(
                f"The journal of an unfinished operation on '{name}' can't be read: another "
                "version of this tool may have written it. Use that version to finish, or delete "
                "the deployment's directory and its journal by hand."
            ) from error


def _of_this_format(fields: Any) -> Any:
    if fields["format"] != _FORMAT:
        raise ValueError(fields["format"])
    return fields


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(type(value))
    return value


def _versions(numbers: object) -> frozenset[int]:
    if not isinstance(numbers, list) or not all(map(layout.is_version, numbers)):
        raise ValueError(numbers)
    return frozenset(numbers)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _contents(fields: Any) -> dict[str, bytes]:
    return {path: base64.b64decode(fields[path], validate=True) for path in _paths(fields)}


def _copies(fields: Any) -> dict[str, str]:
    copies = {path: _string(place) for path, place in fields.items()}
    _paths([*copies, *copies.values()])
    return copies


def _paths(texts: Any) -> frozenset[str]:
    """Paths of a file that others can write, so they are not trusted to stay inside the model."""
    if not isinstance(texts, list | dict):
        raise TypeError(type(texts))
    paths = frozenset(map(_string, texts))
    for path in paths:
        check_key(path)
        if is_reserved(path) or layout.absurd_versions([path]):
            raise ValueError(path)
    return paths
