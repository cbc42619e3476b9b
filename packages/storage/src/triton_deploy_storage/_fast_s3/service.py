"""What S3 does with a request, as far as repositories need it; of copies only small ones.

Small objects are kept in memory, of large ones the size alone. No signature is checked.
"""

from __future__ import annotations

import bisect
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from types import MappingProxyType
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

_KEPT_BYTES = 1 << 20
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request; the names of headers are in lower case."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes | bytearray = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """Its headers end in a line break each."""

    status: str
    body: bytes = b""
    headers: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; a large one has no data."""

    data: bytes
    size: int
    etag: str


@dataclass(slots=True)
class Bucket:
    """Objects, sorted when somebody lists them."""

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, int]] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)
    _sorted: int = 0

    def keys_after(self, start: str) -> Iterator[str]:
        """Yield the keys from this one on."""
        if self._sorted != len(self.objects):
            self._keys = sorted(self.objects)
            self._sorted = len(self._keys)
        for index in range(bisect.bisect_left(self._keys, start), len(self._keys)):
            yield self._keys[index]

    def put(self, key: str, stored: Stored) -> None:
        """Put an object."""
        if key not in self.objects:
            self._sorted = -1
        self.objects[key] = stored

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        if self.objects.pop(key, None) is not None:
            self._sorted = -1


class Service:
    """What S3 does with a request."""

    def __init__(self, *, verify: bool) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._verify = verify
        self._made = 0

    def answer(self, request: Request) -> Answer:
        """Do it."""
        if self._verify and not _is_intact(request):
            return _error("400 Bad Request", "BadDigest")
        if not request.key:
            return self._of_bucket(request)
        bucket = self._buckets.get(request.bucket)
        if bucket is None:
            return _error("404 Not Found", "NoSuchBucket")
        if "uploadId" in request.query or "uploads" in request.query:
            return self._multipart(bucket, request)
        return self._of_object(bucket, request)

    def _of_object(self, bucket: Bucket, request: Request) -> Answer:
        if "x-amz-copy-source" in request.headers:
            return _copy(bucket, request)
        if request.method == "PUT":
            return self._put(bucket, request)
        if request.method == "DELETE":
            return _delete(bucket, request)
        return _get(bucket, request)

    def _of_bucket(self, request: Request) -> Answer:
        if request.method == "PUT":
            self._buckets[request.bucket] = Bucket()
            return Answer("200 OK")
        bucket = self._buckets.get(request.bucket)
        if bucket is None:
            return _error("404 Not Found", "NoSuchBucket")
        if request.method == "POST":
            deleted = []
            for element in ET.fromstring(bytes(request.body)).iter():  # noqa: S314  (our own client's)
                if element.tag.endswith("Key"):
                    bucket.remove(element.text or "")
                    deleted.append(f"<Deleted><Key>{escape(element.text or '')}</Key></Deleted>")
            return _xml("DeleteResult", "".join(deleted))
        return _list(bucket, request.query)

    def _put(self, bucket: Bucket, request: Request) -> Answer:
        found = bucket.objects.get(request.key)
        wanted = request.headers.get("if-match")
        if wanted is not None and (found is None or found.etag != wanted):
            return _error("412 Precondition Failed", "PreconditionFailed")
        if "if-none-match" in request.headers and found is not None:
            return _error("412 Precondition Failed", "PreconditionFailed")
        size = len(request.body)
        kept = bytes(request.body) if size <= _KEPT_BYTES else b""
        etag = f'"{_md5(kept).hex()}"' if kept else self._new_tag()
        bucket.put(request.key, Stored(kept, size, etag))
        return Answer("200 OK", headers=f"ETag: {etag}\r\n")

    def _multipart(self, bucket: Bucket, request: Request) -> Answer:
        if "uploads" in request.query:
            upload = self._new_tag().strip('"')
            bucket.uploads[upload] = {}
            text = f"<UploadId>{upload}</UploadId>"
            return _xml("InitiateMultipartUploadResult", text + _place(request))
        upload = request.query["uploadId"]
        parts = bucket.uploads.get(upload)
        if parts is None:
            return _error("404 Not Found", "NoSuchUpload")
        etag = self._new_tag()
        if request.method == "PUT":
            parts[int(request.query["partNumber"])] = len(request.body)
            return Answer("200 OK", headers=f"ETag: {etag}\r\n")
        del bucket.uploads[upload]
        if request.method == "DELETE":
            return Answer("204 No Content")
        bucket.put(request.key, Stored(b"", sum(parts.values()), etag))
        text = f"<ETag>{escape(etag)}</ETag><Location>/</Location>"
        return _xml("CompleteMultipartUploadResult", text + _place(request))

    def _new_tag(self) -> str:
        self._made += 1
        return f'"{self._made:032x}"'


def _get(bucket: Bucket, request: Request) -> Answer:
    found = bucket.objects.get(request.key)
    if found is None:
        return _error("404 Not Found", "NoSuchKey")
    modified = formatdate(usegmt=True)
    headers = f"ETag: {found.etag}\r\nLast-Modified: {modified}\r\n"
    return Answer("200 OK", found.data, headers)


def _copy(bucket: Bucket, request: Request) -> Answer:
    source = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")[2]
    found = bucket.objects.get(source)
    if found is None:
        return _error("404 Not Found", "NoSuchKey")
    if found.etag != request.headers.get("x-amz-copy-source-if-match", found.etag):
        return _error("412 Precondition Failed", "PreconditionFailed")
    bucket.put(request.key, found)
    return _xml("CopyObjectResult", f"<ETag>{escape(found.etag)}</ETag>")


def _delete(bucket: Bucket, request: Request) -> Answer:
    found, wanted = bucket.objects.get(request.key), request.headers.get("if-match")
    if wanted is not None and found is None:
        return _error("404 Not Found", "NoSuchKey")
    if wanted is not None and found is not None and found.etag != wanted:
        return _error("412 Precondition Failed", "PreconditionFailed")
    bucket.remove(request.key)
    return Answer("204 No Content")


def _list(bucket: Bucket, query: dict[str, str]) -> Answer:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = min(int(query.get("max-keys", _PAGE)), _PAGE)
    rows: list[str] = []
    common = last = ""
    for key in bucket.keys_after(max(prefix, query.get("continuation-token", ""))):
        if not key.startswith(prefix):
            break
        if common and key.startswith(common):
            continue
        if len(rows) == limit:
            last = key
            break
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        common = key[: cut + 1] if cut >= 0 else ""
        rows.append(
            f"<CommonPrefixes><Prefix>{escape(common)}</Prefix></CommonPrefixes>"
            if common
            else _row(key, bucket.objects[key])
        )
    more = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if last else ""
    truncated = f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>"
    return _xml("ListBucketResult", f"{truncated}{more}{''.join(rows)}")


def _row(key: str, stored: Stored) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><Size>{stored.size}</Size>"
        f"<ETag>{escape(stored.etag)}</ETag>"
        "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
    )


def _place(request: Request) -> str:
    return f"<Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>"


def _xml(tag: str, content: str) -> Answer:
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return Answer("200 OK", f'<{tag} xmlns="{space}">{content}</{tag}>'.encode())


def _error(status: str, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>.</Message></Error>".encode())


def _is_intact(request: Request) -> bool:
    headers, body = request.headers, request.body
    return all(
        headers[name] in {checksum(body), "UNSIGNED-PAYLOAD"}
        for name, checksum in _CHECKSUMS.items()
        if name in headers
    )


def _md5(data: bytes | bytearray) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


_CHECKSUMS: Mapping[str, Callable[[bytes | bytearray], str]] = MappingProxyType(
    {
        "content-md5": lambda body: _base64(_md5(body)),
        "x-amz-checksum-crc32": lambda body: _base64(zlib.crc32(body).to_bytes(4, "big")),
        "x-amz-checksum-sha256": lambda body: _base64(hashlib.sha256(body).digest()),
        "x-amz-content-sha256": lambda body: hashlib.sha256(body).hexdigest(),
    }
)
