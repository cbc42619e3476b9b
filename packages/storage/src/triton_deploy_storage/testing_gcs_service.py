"""gcp-storage-emulator behind a front that adds what it leaves out of the service's behaviour.

The emulator ignores preconditions and the size of pages, rewrites everything in one call, sends
no generation with a download, does not say in a 404 what is missing, and refuses chunks of an
upload that come again, since the answer to the first was lost. Run as a program, it serves on a
free port, whose number it prints, until its standard input ends.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.server import Router
from gcp_storage_emulator.storage import Storage

_PAGE = 1000
_REWRITTEN_PER_CALL = 4 << 20
_HEAD = 1 << 16
_NOT_FOUND = 404
_CHUNK = re.compile(r"bytes ([0-9]+)-([0-9]+)/(.+)")


class MemoryStorage(Storage):  # type: ignore[misc]
    """The emulator's, without the journal that it writes anew at each change, and with names apart.

    A generation and a time are of the moment when an object appears, not when its upload began.
    """

    resumable: dict[str, Any]
    _numbers = itertools.count(time.time_ns() // 1000)

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self.finished: dict[str, Any] = {}

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: Any, file_id: Any = None
    ) -> None:
        """Put an object in one step."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        file_obj["generation"] = str(next(self._numbers))
        file_obj["updated"] = file_obj["timeCreated"] = now.replace("+00:00", "Z")
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        if file_id is not None:
            self.finished[file_id] = file_obj

    def delete_bucket(self, bucket_name: str) -> None:
        """Remove an empty bucket; uploads that never came to their end are no objects."""
        pending = self.resumable.items()
        self.resumable = {key: item for key, item in pending if item["bucket"] != bucket_name}
        super().delete_bucket(bucket_name)

    def _write_config_to_file(self) -> None:
        pass

    def _object_path(self, bucket_name: str, file_name: str) -> str:
        # The emulator's own takes `a/1/` and `a/1`, and `a\b` and `a/b`, for the same place.
        return f"{bucket_name}/{hashlib.sha256(file_name.encode()).hexdigest()}"


@dataclass(slots=True)
class Exchange:
    """One request, as the emulator's router wants it, and the answer that it gave."""

    server: Any
    storage: MemoryStorage
    path: str
    headers: Message
    rfile: io.BytesIO
    wfile: io.BytesIO = field(default_factory=io.BytesIO)
    status: int = 0
    answered: dict[str, str] = field(default_factory=dict)

    def send_response(self, status: int, _phrase: str) -> None:
        """Take the status."""
        self.status = status

    def send_header(self, name: str, value: str) -> None:
        """Take a header."""
        self.answered[name] = value

    def end_headers(self) -> None:
        """Nothing is left to do."""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the request."""
        return dict(parse_qsl(urlsplit(self.path).query))

    @property
    def places(self) -> list[tuple[str, str]]:
        """Bucket and object of the request, of the source first where there are two."""
        parts = urlsplit(self.path).path.partition("/b/")[2].split("/")
        if "b" in parts:
            second = parts.index("b")
            return [_place(parts[: second - 1]), _place(parts[second + 1 :])]
        return [_place(parts)]

    def answer(self, status: int, content: Mapping[str, Any]) -> None:
        """Replace the answer."""
        self.status = status
        self.answered = {"Content-Type": "application/json; charset=UTF-8"}
        self.wfile = io.BytesIO(json.dumps(content).encode())

    def refuse(self, status: int, reason: str, message: str) -> None:
        """Answer with an error in the service's form."""
        errors = [{"message": message, "domain": "global", "reason": reason}]
        self.answer(status, {"error": {"code": status, "message": message, "errors": errors}})


def _place(parts: list[str]) -> tuple[str, str]:
    return unquote(parts[0]), unquote("/".join(parts[2:]))


class Front(BaseHTTPRequestHandler):
    """Handles one request after another, whichever connection they come by."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in two packets waits for the acknowledgement of the first
    storage: ClassVar[MemoryStorage] = MemoryStorage()
    one_by_one: ClassVar[threading.Lock] = threading.Lock()

    def handle_any(self) -> None:
        """Serve a request of any method."""
        body = io.BytesIO(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        exchange = Exchange(self.server, self.storage, self.path, self.headers, body)
        with self.one_by_one:
            serve(exchange, self.command)
        content = exchange.wfile.getvalue()
        self.send_response(exchange.status)
        for name, value in exchange.answered.items():
            if name != "Content-Length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(exchange: Exchange, method: str) -> None:
    """Answer a request as the service would."""
    if _has_come_before(exchange):
        return
    if _is_unmet(exchange, method):
        exchange.refuse(412, "conditionNotMet", "At least one precondition did not hold.")
    elif _is_begun(exchange):
        return
    else:
        Router(exchange).handle(method)
        if exchange.status == _NOT_FOUND:
            _say_what_is_missing(exchange)
        elif method == "GET" and urlsplit(exchange.path).path.endswith("/o"):
            _cut_page(exchange)
        elif method == "GET" and exchange.query.get("alt") == "media":
            exchange.answered["X-Goog-Generation"] = _generation(exchange, *exchange.places[0])


def _has_come_before(exchange: Exchange) -> bool:
    """Leave out what the service has of a chunk already; answer where that is all of it."""
    upload, chunk = (
        exchange.query.get("upload_id"),
        _CHUNK.match(exchange.headers["Content-Range"] or ""),
    )
    if upload in exchange.storage.finished:
        exchange.answer(200, exchange.storage.finished[upload])
        return True
    if upload is None or chunk is None:
        return False
    received = exchange.storage.get_resumable_byte_count(upload)
    first, last, total = int(chunk[1]), int(chunk[2]), chunk[3]
    if last < received:
        exchange.answer(308, {})
        exchange.answered["Range"] = f"bytes=0-{received - 1}"
        return True
    if first < received:
        exchange.rfile = io.BytesIO(exchange.rfile.getvalue()[received - first :])
        exchange.headers.replace_header("Content-Length", str(last + 1 - received))
        exchange.headers.replace_header("Content-Range", f"bytes {received}-{last}/{total}")
    return False


def _is_unmet(exchange: Exchange, method: str) -> bool:
    """Tell whether a precondition does not hold, in a bucket that exists."""
    if exchange.places[0][0] not in exchange.storage.buckets:
        return False
    wanted: dict[tuple[str, str], str | None] = {}
    if "ifGenerationMatch" in exchange.query:
        bucket, name = exchange.places[-1]
        wanted[bucket, name or _uploaded_name(exchange)] = exchange.query["ifGenerationMatch"]
    if "/rewriteTo/" in exchange.path and method == "POST":
        wanted[exchange.places[0]] = exchange.query.get("ifSourceGenerationMatch")
    return any(
        generation is not None and _generation(exchange, *place) != generation
        for place, generation in wanted.items()
    )


def _uploaded_name(exchange: Exchange) -> str:
    if "upload_id" in exchange.query:
        return str(exchange.storage.get_resumable_file_obj(exchange.query["upload_id"])["name"])
    if "name" in exchange.query:
        return exchange.query["name"]
    # The object's resource is the first part of a multipart upload, and all of a resumable one's.
    _, _, text = exchange.rfile.getvalue()[:_HEAD].decode("utf-8", "replace").partition("{")
    return str(json.JSONDecoder().raw_decode("{" + text)[0]["name"])


def _generation(exchange: Exchange, bucket: str, name: str) -> str:
    try:
        return str(exchange.storage.get_file_obj(bucket, name)["generation"])
    except NotFound:
        return "0"


def _is_begun(exchange: Exchange) -> bool:
    """Answer the first call for a large object's rewrite: it takes several."""
    if "/rewriteTo/" not in exchange.path or "rewriteToken" in exchange.query:
        return False
    try:
        size = int(exchange.storage.get_file_obj(*exchange.places[0])["size"])
    except NotFound:
        return False
    if size <= _REWRITTEN_PER_CALL:
        return False
    progress = {"totalBytesRewritten": str(_REWRITTEN_PER_CALL), "objectSize": str(size)}
    token = base64.b64encode(exchange.path.encode()).decode()
    exchange.answer(200, {"done": False, "rewriteToken": token, **progress})
    return True


def _say_what_is_missing(exchange: Exchange) -> None:
    if any(bucket not in exchange.storage.buckets for bucket, _ in exchange.places):
        exchange.refuse(_NOT_FOUND, "notFound", "The specified bucket does not exist.")
        return
    bucket, name = exchange.places[0]
    exchange.refuse(_NOT_FOUND, "notFound", f"No such object: {bucket}/{name}")


def _cut_page(exchange: Exchange) -> None:
    found = json.loads(exchange.wfile.getvalue())
    entries = [("items", item["name"], item) for item in found.get("items", ())]
    entries += [("prefixes", prefix, prefix) for prefix in found.get("prefixes", ())]
    entries.sort(key=lambda entry: entry[1].encode())
    start = int(exchange.query.get("pageToken", "0"))
    end = start + min(_PAGE, int(exchange.query.get("maxResults", _PAGE)))
    page: dict[str, Any] = {"kind": "storage#objects"}
    for kind, _, value in entries[start:end]:
        page.setdefault(kind, []).append(value)
    if end < len(entries):
        page["nextPageToken"] = str(end)
    exchange.answer(200, page)


def main() -> None:
    """Serve until the standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
