"""A limit on each single waiting for the next answer, which gRPC has for whole calls only."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class AnswerWatch:
    """Cancels a call once one waiting for an answer has lasted `limit` seconds.

    It has a thread, which wakes up once in `limit` seconds, however many answers come.

    Attributes:
        expired: whether it did.
    """

    def __init__(self, cancel: Callable[[], object], limit: float) -> None:
        self.expired = False
        self._cancel = cancel
        self._limit = limit
        self._until = math.inf
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="triton-answer-watch", daemon=True).start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Limit what happens inside."""
        self._until = time.monotonic() + self._limit
        try:
            yield
        finally:
            self._until = math.inf

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _watch(self) -> None:
        pause = self._limit
        while not self._closed.wait(pause):
            missing = self._until - time.monotonic()
            if missing <= 0:
                self.expired = True
                self._cancel()
                return
            pause = min(missing, self._limit)
