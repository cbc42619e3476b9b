"""What goes wrong at a step: the process dies, is paused, or can't reach repository or server."""

from __future__ import annotations

import os
import signal
import threading
import time
from enum import Enum
from typing import Any

from triton_deploy_core.errors import ServerUnreachableError, StoreUnavailableError
from triton_deploy_core.ports.server import InferenceServer, LoadOverride
from triton_deploy_core.ports.single_server import SingleServer
from triton_deploy_core.testing.store_faults import Moment

# A python model takes several times as long to come up.
_INTO_A_LOAD_SECONDS = 0.2


class Fault(Enum):
    """What happens before a step, and from then on."""

    DEATH = "death"
    PAUSE = "pause"
    NO_REPOSITORY = "no-repository"
    NO_SERVER = "no-server"


class Plug:
    """Counts the steps of a process, and lets the fault happen at one of them.

    Args:
        fault: what happens.
        fatal: the number of the step, from 0, before which it does.
    """

    def __init__(self, fault: Fault, fatal: int) -> None:
        self.is_pulled = False
        self._fault = fault
        self._fatal = fatal
        self._count = 0
        self._owner = threading.get_ident()

    def is_out(self, fault: Fault) -> bool:
        """Tell whether this has happened."""
        return self.is_pulled and self._fault is fault

    def before(self, what: str) -> None:
        """Say that a step comes, and die or stop if it is the one."""
        if not self._is_it(what):
            return
        if self._fault is Fault.DEATH:
            self.die()
        if self._fault is Fault.PAUSE:
            os.kill(os.getpid(), signal.SIGSTOP)

    def within(self, what: str) -> bool:
        """Say that a step comes in whose middle one can die; tell whether it is the one."""
        return self._fault is Fault.DEATH and self._is_it(f"{what}, in the middle")

    def die(self) -> None:
        """Die without a word."""
        os.kill(os.getpid(), signal.SIGKILL)

    def _is_it(self, what: str) -> bool:
        if threading.get_ident() != self._owner:
            return False  # the lease's renewal, whose moment nobody can repeat
        number, self._count = self._count, self._count + 1
        if number != self._fatal:
            return False
        print(what, flush=True)
        self.is_pulled = True
        return True


class StorePlug:
    """The faults of a `FaultyStore`. Each file that it changes is a step."""

    def __init__(self, plug: Plug) -> None:
        self._plug = plug

    def __call__(self, moment: Moment, /) -> None:
        """See `FaultHook`."""
        if moment.changes and not moment.done:
            self._plug.before(f"{moment.call.method} {moment.key}")
        if self._plug.is_out(Fault.NO_REPOSITORY):
            raise StoreUnavailableError("the repository can't be reached: the plug is pulled")


class PluggedServer(SingleServer):
    """An `InferenceServer` with faults. Each load and unload is a step."""

    def __init__(self, server: InferenceServer, plug: Plug) -> None:
        self._server = server
        self._plug = plug

    @property
    def url(self) -> str:
        """See `InferenceServer.url`."""
        return self._server.url

    def __getattr__(self, name: str) -> Any:
        """All else is the server's own, as long as it can be reached."""
        self._reach()
        return getattr(self._server, name)

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`."""
        what = f"load {name}" if override is None else f"load a tiny model as {name}"
        self._plug.before(what)
        if self._plug.within(what):
            options = {"timeout": timeout, "override": override}
            threading.Thread(target=self._server.load, args=(name,), kwargs=options).start()
            time.sleep(_INTO_A_LOAD_SECONDS)
            self._plug.die()
        self._reach()
        self._server.load(name, timeout=timeout, override=override)

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`."""
        self._plug.before(f"unload {name}")
        self._reach()
        self._server.unload(name, timeout=timeout)

    def _reach(self) -> None:
        if self._plug.is_out(Fault.NO_SERVER):
            raise ServerUnreachableError("the server can't be reached: the plug is pulled")
