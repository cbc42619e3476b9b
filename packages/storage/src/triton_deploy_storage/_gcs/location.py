"""Reads ``gs://…`` just as Triton does, and refuses what Triton would read as something else.

Triton (``GCSFileSystem`` of its core) takes what stands before the next slash for the bucket and
all of the rest, as it is, for the prefix: it knows no endpoint, no option and no escape, and keeps
doubled slashes. A model's directory is that plus a slash, where none is there yet, plus the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from triton_deploy_core.errors import InvalidSettingError

_SCHEME = "gs://"
_BUCKET = re.compile(r"[0-9a-z][0-9a-z._-]*")


@dataclass(frozen=True, slots=True)
class GcsLocation:
    """A bucket, and a prefix in it without slashes around it."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, location: str) -> GcsLocation:
        """Read a repository's location.

        Raises:
            InvalidSettingError: it is none, or Triton would read it differently.
        """
        if not location.startswith(_SCHEME):
            raise _refused("it has to begin with 'gs://' in lower case, as Triton reads no other")
        bucket, slash, prefix = location.removeprefix(_SCHEME).partition("/")
        if any(character < " " or character == "\x7f" for character in location):
            raise _refused("it has a control character")
        _check_bucket(bucket)
        if not slash or not prefix:
            return cls(bucket)
        prefix = prefix.removesuffix("/")
        if any(part in {"", ".", ".."} for part in prefix.split("/")):
            raise _refused(
                "its prefix has an empty part, '.' or '..', which Triton takes for a part of the "
                "objects' names"
            )
        return cls(bucket, prefix)

    @property
    def root(self) -> str:
        """What the repository's keys have before them in the bucket."""
        return f"{self.prefix}/" if self.prefix else ""


def _check_bucket(bucket: str) -> None:
    if "@" in bucket:
        raise _refused("credentials do not belong there; set GOOGLE_APPLICATION_CREDENTIALS")
    if ":" in bucket:
        raise _refused(
            "Triton reads no host and port there; for an emulator set STORAGE_EMULATOR_HOST, and "
            "CLOUD_STORAGE_EMULATOR_ENDPOINT for Triton"
        )
    if not bucket:
        raise _refused("it names no bucket")
    if _BUCKET.fullmatch(bucket) is None:
        raise _refused(
            "a bucket's name has lower-case letters, digits, '.', '-' and '_' only and begins with "
            "one of the former two"
        )


def _refused(reason: str) -> InvalidSettingError:
    # The location itself stays out of the message: it can hold a password.
    return InvalidSettingError(
        f"the model repository at gs:// can't be used: {reason}; write gs://bucket/prefix"
    )
