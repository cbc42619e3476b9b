"""Many slow calls at once, for which nobody has to wait who is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def results(
    act: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int
) -> Generator[_Result, None, None]:
    """Do something with every item and yield what came of it, in the order in which it ends.

    Whoever leaves the loop, by an interrupt too, leaves what is under way to itself: its threads
    do not keep the process alive, and begin nothing new.

    Args:
        act: called from several threads. What it raises is raised here, and ends all of it.
        items: what there is to do.
        threads: so many calls at once at most.
    """
    waiting = list(items)
    count = len(waiting)
    waiting.reverse()
    stopped = threading.Event()
    ended: SimpleQueue[Callable[[], _Result]] = SimpleQueue()

    def work() -> None:
        while not stopped.is_set():
            try:
                item = waiting.pop()
            except IndexError:
                return
            ended.put(_outcome(act, item))

    try:
        for number in range(min(threads, count)):
            threading.Thread(target=work, name=f"background-{number}", daemon=True).start()
        for _ in range(count):
            yield ended.get()()
    finally:
        stopped.set()


def _outcome(act: Callable[[_Item], _Result], item: _Item) -> Callable[[], _Result]:
    try:
        result = act(item)
    except BaseException as caught:  # noqa: BLE001 (raised where the result is asked for)
        error = caught

        def fail() -> _Result:
            raise error

        return fail
    return lambda: result
