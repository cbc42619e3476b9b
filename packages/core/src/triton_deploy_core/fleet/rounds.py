"""Calls to many servers at once, in threads that nobody has to wait for.

They are daemons: whoever interrupts an operation does not wait for the servers that are slowest,
as the threads of `concurrent.futures` would have it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from triton_deploy_core.errors import ModelNotServedError, ServerError
from triton_deploy_core.failures import NO_ANSWER, merged
from triton_deploy_core.ports.server import InferenceServer

_T = TypeVar("_T")


def ask_all(
    question: Callable[[InferenceServer], _T],
    servers: Sequence[InferenceServer],
    *,
    at_once: int,
    ends: Callable[[ServerError], bool] = lambda _: False,
) -> dict[str, _T | ServerError]:
    """Ask every server; return its answer or its `ServerError`, by URL, in the servers' order.

    Any other error is raised when what is under way has come to its end; an interrupt at once.
    Nothing new is begun after either.

    Args:
        question: called from several threads.
        servers: whom.
        at_once: so many at a time.
        ends: whether none that waits for its turn is to be asked after an error: those are not
            in the answer then.
    """
    if len(servers) == 1:
        return {servers[0].url: _answer(question, servers[0])}
    asked = _Round(question, servers, ends)
    threads = min(at_once, len(servers))
    try:
        for _ in range(threads):
            threading.Thread(target=asked.work, name="fleet", daemon=True).start()
        found = asked.collect(threads)
    finally:
        asked.stopped.set()
    return {server.url: found[server.url] for server in servers if server.url in found}


class _Round(Generic[_T]):
    """Servers that wait for their turn, and answers that wait to be collected."""

    def __init__(
        self,
        question: Callable[[InferenceServer], _T],
        servers: Sequence[InferenceServer],
        ends: Callable[[ServerError], bool],
    ) -> None:
        self.stopped = threading.Event()
        self._question = question
        self._waiting = deque(servers)
        self._ends = ends
        self._done: SimpleQueue[tuple[str, _T | ServerError] | BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Ask one server after another until none is waiting; a thread's whole work."""
        try:
            self._ask_next()
            while self._waiting and not self.stopped.is_set():
                self._ask_next()
        except BaseException as error:  # noqa: BLE001 (raised by who collects)
            self.stopped.set()
            self._done.put(error)
        finally:
            self._done.put(None)

    def collect(self, threads: int) -> dict[str, _T | ServerError]:
        """Return all answers when so many threads have ended; raise what was no `ServerError`."""
        found: dict[str, _T | ServerError] = {}
        fatal: BaseException | None = None
        while threads:
            match self._done.get():
                case None:
                    threads -= 1
                case BaseException() as error:
                    fatal = fatal or error
                case url, answer:
                    found[url] = answer
        if fatal is not None:
            raise fatal
        return found

    def _ask_next(self) -> None:
        try:
            server = self._waiting.popleft()
        except IndexError:  # another thread took the last
            return
        answer = _answer(self._question, server)
        if isinstance(answer, ServerError) and self._ends(answer):
            self.stopped.set()
        self._done.put((server.url, answer))


def _answer(question: Callable[[InferenceServer], _T], server: InferenceServer) -> _T | ServerError:
    try:
        return question(server)
    except ServerError as error:
        return error


def first_answer(
    question: Callable[[InferenceServer], _T], servers: Sequence[InferenceServer]
) -> _T:
    """Ask one server after another; return the first answer of one that serves the model.

    Raises:
        ModelNotServedError: none of those that answer serves it.
        ServerError: none answers, or one refused.
    """
    failures: dict[str, ServerError] = {}
    for server in servers:
        answer = _answer(question, server)
        if not isinstance(answer, ServerError):
            return answer
        if not isinstance(answer, (ModelNotServedError, *NO_ANSWER)):
            raise answer
        failures[server.url] = answer
    raise merged(failures, servers=len(servers))
