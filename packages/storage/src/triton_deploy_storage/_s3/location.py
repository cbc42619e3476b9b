"""Reads ``s3://…`` just as Triton does, and refuses what Triton would read as something else.

Triton (``S3FileSystem`` of its core) first drops trailing and doubled slashes. It takes the
form with an endpoint if a regular expression matches all of the rest, and else whatever stands
before the next slash as the bucket: ``s3://host:9000/My_Bucket`` is a bucket ``host:9000``. It
reads each file's path by the same rules, so under an endpoint they bind the keys as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from triton_deploy_core.errors import InvalidSettingError

_FORMS = "write s3://bucket/prefix or s3://http://host:port/bucket/prefix"
_ENDPOINT = re.compile(r"(https?://)?([^/:]*)(?::([^/]*))?(?:/(.*))?", re.DOTALL)
_HOST = re.compile(r"[0-9A-Za-z.-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_BUCKET = re.compile(r"[0-9a-z.-]+")
_PLAIN_BUCKET = re.compile(r"[0-9A-Za-z._-]+")
_SEGMENT = re.compile(r"[0-9A-Za-z._-]+")
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, a prefix in it without slashes around it, and an endpoint if it is not Amazon's."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None

    @classmethod
    def parse(cls, location: str) -> S3Location:
        """Read a repository's location.

        Raises:
            InvalidSettingError: it is none, or Triton would read it differently.
        """
        if not location.startswith("s3://"):
            raise _refused("it has to begin with 's3://' in lower case, as Triton reads no other")
        rest = location.removeprefix("s3://").rstrip("/")
        if any(character < " " or character == "\x7f" for character in rest):
            raise _refused("it has a control character")
        authority = rest.removeprefix("https://").removeprefix("http://").partition("/")[0]
        if "@" in authority:
            raise _refused("credentials do not belong there; set AWS_PROFILE or AWS_ACCESS_KEY_ID")
        if rest.startswith(("http://", "https://")) or ":" in authority:
            return _with_endpoint(rest)
        bucket, _, prefix = rest.partition("/")
        if _PLAIN_BUCKET.fullmatch(bucket) is None:
            raise _refused("it names no bucket")
        _check_segments(prefix)
        return cls(bucket, prefix)

    @property
    def root(self) -> str:
        """What the repository's keys have before them in the bucket."""
        return f"{self.prefix}/" if self.prefix else ""

    def can_hold(self, key: str) -> bool:
        """Tell whether Triton reads this key of the repository.

        Files in the root are none of Triton's business: it reads directories there only.
        """
        if self.endpoint is None or "/" not in key:
            return True
        return all(_SEGMENT.fullmatch(part) for part in key.removesuffix("/").split("/"))


def _with_endpoint(rest: str) -> S3Location:
    match = _ENDPOINT.fullmatch(rest)
    if match is None:
        raise _refused("it names no host and port")
    scheme, host, port, path = (group or "" for group in match.groups())
    if not _HOST.fullmatch(host):
        raise _refused("its host may have letters, digits, '.' and '-' only")
    if not _PORT.fullmatch(port) or not 0 < int(port) <= _MAX_PORT:
        raise _refused("an endpoint needs its port, else Triton takes the host for the bucket")
    bucket, _, prefix = path.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise _refused(
            "behind an endpoint, Triton reads buckets of lower-case letters, digits, '.' and '-' "
            "only"
        )
    _check_segments(prefix)
    if prefix and not all(_SEGMENT.fullmatch(part) for part in prefix.split("/")):
        raise _refused(
            "behind an endpoint, Triton reads prefixes of letters, digits, '.', '-' and '_' only"
        )
    # Without a scheme Triton speaks plain HTTP.
    return S3Location(bucket, prefix, f"{scheme or 'http://'}{host}:{port}")


def _check_segments(prefix: str) -> None:
    if prefix and any(part in {"", ".", ".."} for part in prefix.split("/")):
        raise _refused("its prefix has an empty part, '.' or '..', which Triton does not keep")


def _refused(reason: str) -> InvalidSettingError:
    # The location itself stays out of the message: it can hold a password.
    return InvalidSettingError(f"the model repository at s3:// can't be used: {reason}; {_FORMS}")
