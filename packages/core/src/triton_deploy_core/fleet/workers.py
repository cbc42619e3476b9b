"""Requests done in threads that nobody has to wait for, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class PendingAnswer(Generic[_Answer]):
    """The answer to a request that a worker was given."""

    def __init__(self, ask: Callable[[], _Answer]) -> None:
        self._ask = ask
        self._cancelled = False
        self._done: SimpleQueue[tuple[_Answer] | BaseException] = SimpleQueue()

    def result(self) -> _Answer:
        """Wait for the answer and return it, or raise what became of the request. Called once."""
        found = self._done.get()
        if isinstance(found, BaseException):
            raise found
        return found[0]

    def cancel(self) -> None:
        """Do not begin it any more; wait for nothing of it."""
        self._cancelled = True

    def work(self) -> None:
        """Do it: a worker's part."""
        if self._cancelled:
            return
        try:
            self._done.put((self._ask(),))
        except BaseException as error:  # noqa: BLE001 (raised by who waits)
            self._done.put(error)


class Workers(Generic[_Request, _Answer]):
    """Daemon threads, as many as requests were under way at once.

    Args:
        ask: what is done with a request.
        at_most: how many threads.
    """

    def __init__(self, ask: Callable[[_Request], _Answer], *, at_most: int) -> None:
        self._ask = ask
        self._at_most = at_most
        self._threads = 0
        self._waiting: SimpleQueue[PendingAnswer[_Answer] | None] = SimpleQueue()

    def begin(self, request: _Request) -> PendingAnswer[_Answer]:
        """Give a request to a worker."""
        pending = PendingAnswer(lambda: self._ask(request))
        if self._threads < self._at_most:
            self._threads += 1
            threading.Thread(target=self._work, name="requests", daemon=True).start()
        self._waiting.put(pending)
        return pending

    def close(self) -> None:
        """Let the threads end, each after what it is doing."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while (pending := self._waiting.get()) is not None:
            pending.work()
