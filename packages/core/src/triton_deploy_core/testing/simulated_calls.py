"""The log of what a `SimulatedTriton` was asked, and faults that are put in on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from triton_deploy_core.ports.request_options import NO_OPTIONS, RequestOptions


@dataclass(frozen=True, slots=True)
class ServerCall:
    """One call of the port.

    Attributes:
        method: its name in `InferenceServer`.
        name: the model, empty where the call has none.
        override: whether a model came with a load.
        options: what an inference said beside its inputs.
    """

    method: str
    name: str = ""
    override: bool = False
    options: RequestOptions = NO_OPTIONS


CallHook: TypeAlias = Callable[[ServerCall], None]
"""Told of a call, outside of any lock; what it raises is what the caller gets."""


class FailNth:
    """A `CallHook` that raises an error once, at the nth call that it is told of.

    As `before_call` nothing happens on the server; as `after_call` all of it happens and only
    the answer gets lost.

    Args:
        error: what is raised.
        nth: which of the calls, from 1.
        method: count only calls of this method.
    """

    def __init__(self, error: BaseException, *, nth: int = 1, method: str | None = None) -> None:
        self.error = error
        self.remaining = nth
        self.method = method

    def __call__(self, call: ServerCall) -> None:
        """Count the call and raise if it is its turn."""
        if self.method in {None, call.method}:
            self.remaining -= 1
            if self.remaining == 0:
                raise self.error
