"""The end of calls whose answers nobody takes any more: let them end, or cancel those that go on.

Triton 2.51 crashes, or never unloads the model, when a cancellation meets an answer that it just
sends (compare https://github.com/triton-inference-server/server/issues/8034).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc

from triton_deploy_core.clock import Deadline, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

_STREAM_SECONDS = 0.25
_REQUEST_SECONDS = 1.0


def wind_up_stream(call: grpc.Call) -> None:
    """Read a stream of answers to its end; cancel one that goes on for a quarter of a second."""
    if not call.is_active():
        return
    cancel = threading.Timer(_STREAM_SECONDS, call.cancel)
    cancel.start()
    try:
        while next(call, None) is not None:
            pass
    except grpc.RpcError:
        return
    finally:
        cancel.cancel()


def winding_up() -> Callable[[grpc.Future], None]:
    """Return what ends requests one by one: all together have a second for their answers."""
    deadline: Deadline | None = None

    def wind_up(call: grpc.Future) -> None:
        nonlocal deadline
        deadline = deadline or Deadline.after(_REQUEST_SECONDS, SystemClock())
        try:
            call.exception(timeout=deadline.remaining())
        except grpc.FutureTimeoutError:
            call.cancel()
        except grpc.FutureCancelledError:
            return

    return wind_up
