"""Does many small things at once. A future for each would cost more than sending a small file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

_Item = TypeVar("_Item")
_END = object()


def for_each(
    act: Callable[[_Item], object],
    items: Iterable[_Item],
    *,
    threads: int,
    stopped: threading.Event | None = None,
) -> None:
    """Do something with every item, in any order.

    The first error, of the iterable too, is raised when what is under way has come to its end;
    nothing new is begun after it.

    Args:
        act: may be called from several threads.
        items: may be slow: it is asked for the next while others are done.
        threads: so many at most.
        stopped: set on the first error; whoever sets it ends the work.
    """
    stopped = stopped or threading.Event()
    remaining = iter(items)
    turn = threading.Lock()

    def work() -> None:
        try:
            while not stopped.is_set():
                with turn:
                    item = next(remaining, _END)
                if item is _END:
                    return
                act(item)  # type: ignore[arg-type]  # only _END is no item
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(threads, thread_name_prefix="parallel") as pool:
        try:
            futures = [pool.submit(work) for _ in range(threads)]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stopped.set()
            raise
