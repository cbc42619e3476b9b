"""A limit on how long MLflow may look something up.

MLflow retries for minutes when a tracking server or its database is down (seven times with
exponential back-off by ``MLFLOW_HTTP_REQUEST_MAX_RETRIES``, ten times for databases), and its
client has no argument for it: only environment variables, which belong to the whole process and
to the user. So look-ups run beside the caller, who stops waiting at the deadline.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from triton_deploy_core.errors import ModelSourceError

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], *, what: str) -> T:
    """Return what `work` returns, or raise what it raises, waiting at most so many seconds.

    At the deadline `work` is left to itself on a daemon thread, which does not keep the process
    alive; so it must be free of effects that matter.

    Args:
        seconds: how long to wait.
        work: called once on a thread of its own, with the caller's context variables.
        what: what is being done, for the message.

    Raises:
        ModelSourceError: the deadline passed.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            outcome.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="mlflow-lookup", daemon=True).start()
    wait([outcome], timeout=seconds)
    if not outcome.done():
        raise ModelSourceError(
            f"MLflow gave no answer within {seconds:g} s: {what}. "
            "Check that the tracking server and its database can be reached."
        )
    return outcome.result()
