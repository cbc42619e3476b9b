"""A process that dies after any step: of what it does to its repository and to its server.

Count the steps once, then die after each::

    death = SuddenDeath()
    world.new_process(death=death)
    world.service.update(...)
    for step in range(death.steps):
        world = ...
        world.new_process(death=SuddenDeath(after=step))
        with suppress(SimulatedCrash):
            world.service.update(...)
        world.new_process()
        check(world)
"""

from __future__ import annotations

from dataclasses import dataclass

from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.store_faults import Moment, SimulatedCrash

_COMMANDS = {"load", "unload"}


@dataclass(slots=True)
class SuddenDeath:
    """A hook of stores and servers that raises `SimulatedCrash` after a step, and ever after.

    A step is one file that is written, put or deleted, or one load or unload that has ended. To
    die before a step is to die after the one before it.

    Attributes:
        after: the step, counted from 0; None: it lives.
        steps: how many there were so far.
    """

    after: int | None = None
    steps: int = 0

    def __call__(self, moment: Moment | ServerCall, /) -> None:
        """See `FaultHook` and `CallHook`."""
        dead = self.after is not None and self.steps > self.after
        if not dead and _is_step(moment):
            self.steps += 1
            dead = self.after is not None and self.steps > self.after
        if dead:
            raise SimulatedCrash(f"died after step {self.after}: {moment}")


def _is_step(moment: Moment | ServerCall) -> bool:
    if isinstance(moment, ServerCall):
        return moment.method in _COMMANDS
    return moment.changes and moment.done
