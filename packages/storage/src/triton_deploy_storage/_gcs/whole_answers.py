"""Answers that break off are errors of the connection, which the library gets over.

Python's HTTP client takes a connection that closes within the header lines for their end. An
answer that was cut there has lost its length, and so its body, or the range that an upload has got
to; and the library repeats no request that was answered. Of a download that is refused, it reads
the reason when it has stopped to repeat it.
"""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_REFUSED = 400
_BLANK = frozenset({b"\r\n", b"\n"})


class WholeAnswers(HTTPAdapter):
    """An adapter of requests that raises where they break off.

    Attributes:
        date: the service's time in the last answer, as its header has it; empty before the first.
    """

    date: str = ""

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """See `HTTPAdapter`."""
        answer = super().send(request, *arguments, **options)
        self.date = answer.headers.get("Date", "")
        if answer.status_code >= _REFUSED:
            answer.content  # noqa: B018  (reads it)
        return answer

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See `HTTPAdapter`."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """See `HTTPAdapter`."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Response(HTTPResponse):
    def begin(self) -> None:
        file: Any = self.fp
        lines: Any = _Lines(file)
        self.fp = lines
        try:
            super().begin()
        finally:
            # Where not even the status is whole, the file was closed and dropped.
            if not lines.is_closed:
                self.fp = file
        if lines.last not in _BLANK:
            raise IncompleteRead(lines.last)


class _Lines:
    """A file that is read line by line, and closed."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.is_closed = False
        self.last = b"\n"

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._file.readline(limit)
        return self.last

    def close(self) -> None:
        self.is_closed = True
        self._file.close()


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
