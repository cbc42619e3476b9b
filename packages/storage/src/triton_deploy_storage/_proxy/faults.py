"""What can go wrong with a request, and with which."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a rule sees it. `path` and `query` are as they were sent."""

    method: str
    path: str
    query: str
    conditional: bool

    def __str__(self) -> str:
        """Show it in one line."""
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query}"


class Break(Enum):
    """Where a connection breaks."""

    BEFORE = auto()
    """Reset when the request has arrived here: the service never sees it."""
    AFTER = auto()
    """Reset when the service has done it: its answer is lost."""
    WITHIN_HEAD = auto()
    """Closed after half of the answer's status line and headers."""
    WITHIN_BODY = auto()
    """Closed after half of the answer's body."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The request is handed on later, by this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The service never sees the request; this is the answer."""

    status: int
    reason: str
    body: bytes = b""
    content_type: str = "application/xml"

    @classmethod
    def s3(cls, status: int, code: str) -> Answer:
        """Return an error as S3 words it."""
        text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
        return cls(status, code, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode())

    @classmethod
    def gcs(cls, status: int, reason: str) -> Answer:
        """Return an error as the JSON interface of Google Cloud Storage words it."""
        text = f'{{"error": {{"code": {status}, "message": "{reason}"}}}}'
        return cls(status, reason, text.encode(), "application/json")


Fault = Break | Delay | Answer
Rule = Callable[[Request], Fault | None]


class OnNth:
    """A rule: a fault for the n-th request that a predicate picks, and for `times` - 1 after it.

    Args:
        fault: what happens.
        nth: counted from 1.
        when: picks requests; all of them if left out.
        times: how many requests in a row meet it.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        nth: int = 1,
        when: Callable[[Request], bool] = lambda _: True,
        times: int = 1,
    ) -> None:
        self._fault = fault
        self._nth = range(nth, nth + times)
        self._when = when
        self._lock = threading.Lock()
        self._seen = 0
        self.hit: list[Request] = []

    def __call__(self, request: Request) -> Fault | None:
        """Return the fault if it is this request's turn."""
        if not self._when(request):
            return None
        with self._lock:
            self._seen += 1
            if self._seen not in self._nth:
                return None
            self.hit.append(request)
        return self._fault

    def next(self) -> OnNth:
        """Return the rule for the request after the one that this rule is for."""
        nth = self._nth
        return OnNth(self._fault, nth=nth.start + 1, when=self._when, times=len(nth))
