"""What is known of the bytes that a deployment holds, so that they need not be sent again.

A file in the repository's root (`bookkeeping.digests_key`) that nothing depends on: where it is
lost, damaged or out of date, files are sent again. Others can write it, so it is not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_deploy_core.remembered import Remembered

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Digest:
    """The fingerprint of a file, and by which tag and size one sees that it still is that file."""

    etag: str
    size: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Digests:
    """What one deployment's file says.

    Attributes:
        files: path inside the model's directory → what was put there.
        recent: versions in the order in which they served, the last one last.
        remembered: version → how it was deployed, where that is known.
    """

    files: Mapping[str, Digest] = field(default_factory=dict)
    recent: tuple[int, ...] = ()
    remembered: Mapping[int, Remembered] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the file's content."""
        fields = {
            "format": _FORMAT,
            "recent": list(self.recent),
            "files": {
                path: [digest.etag, digest.size, digest.fingerprint]
                for path, digest in sorted(self.files.items())
            },
            "remembered": {
                str(number): one.encode() for number, one in sorted(self.remembered.items())
            },
        }
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Digests:
        """Read the file; one that can't be read says nothing."""
        try:
            return _decoded(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls()


def _decoded(fields: Any) -> Digests:
    if fields["format"] != _FORMAT:
        return Digests()
    files = {
        path: Digest(str(etag), int(size), str(fingerprint))
        for path, (etag, size, fingerprint) in fields["files"].items()
    }
    remembered = {
        # Not in those of older releases.
        int(number): Remembered.decode(one)
        for number, one in fields.get("remembered", {}).items()
    }
    return Digests(files, tuple(int(number) for number in fields["recent"]), remembered)
