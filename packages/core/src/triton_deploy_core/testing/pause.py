"""An operation that is paused before one of its steps, while others go on.

Count the steps once, then pause before each; step 0 takes the lease::

    pause = Pause()
    world.paused_process(pause).update(...)
    for step in range(1, pause.steps):
        world = ...
        pause = Pause(before=step, meanwhile=take_over)
        with pytest.raises(LeaseLostError):
            world.paused_process(pause).update(...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from triton_deploy_core.serving import NO_MODEL
from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.store_faults import Moment

_COMMANDS = {"load", "unload"}


@dataclass(slots=True)
class Pause:
    """A hook of stores and servers that calls something right before a step takes effect, once.

    A step is one file that is written, put or deleted, or one load or unload of a model.

    Attributes:
        before: the step, counted from 0; None: there is no pause.
        meanwhile: what happens during the pause; may raise what the operation gets then.
        is_late: whether the pause comes right after the step took effect, not before.
        steps: how many there were so far.
        at: what the operation was about to do when it was paused.
    """

    before: int | None = None
    meanwhile: Callable[[], object] = field(default=lambda: None)
    is_late: bool = False
    steps: int = 0
    at: Moment | ServerCall | None = None

    def __call__(self, moment: Moment | ServerCall, /) -> None:
        """See `FaultHook` and `CallHook`."""
        if self.at is not None or not self._is_step(moment):
            return
        self.steps += 1
        if self.before == self.steps - 1:
            self.at = moment
            self.meanwhile()

    def _is_step(self, moment: Moment | ServerCall) -> bool:
        if isinstance(moment, ServerCall):
            return moment.method in _COMMANDS and moment.name != NO_MODEL
        return moment.changes and moment.done is self.is_late
