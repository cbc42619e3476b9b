"""A repository and a server whose user can be killed before each thing that he does to them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer, LoadOverride
from triton_deploy_core.ports.store import BlobStore, Condition, Transfer

# A python model takes several times as long to come up.
_INTO_A_LOAD_SECONDS = 0.2


class Plug:
    """Counts the steps of a process, and kills it at one of them.

    Args:
        fatal: the number of the step, from 0, before which the process dies.
    """

    def __init__(self, fatal: int) -> None:
        self._fatal = fatal
        self._count = 0
        self._owner = threading.get_ident()

    def step(self, what: str) -> bool:
        """Say that a step comes; return whether the process has to die at it."""
        if threading.get_ident() != self._owner:
            return False  # the lease's renewal, whose moment nobody can repeat
        number, self._count = self._count, self._count + 1
        if number == self._fatal:
            print(what, flush=True)
        return number == self._fatal

    def before(self, what: str) -> None:
        """Say that a step comes, and die if it is the one."""
        if self.step(what):
            self.pull()

    def pull(self) -> None:
        """Die without a word."""
        os.kill(os.getpid(), signal.SIGKILL)


class PluggedStore:
    """A `BlobStore` whose user may die before each file that it changes."""

    def __init__(self, store: BlobStore, plug: Plug) -> None:
        self._store = store
        self._plug = plug

    def __getattr__(self, name: str) -> Any:
        """All else is the store's own."""
        return getattr(self._store, name)

    def write(self, key: str, data: bytes, *, condition: Condition = None) -> str:
        """See `BlobStore.write`."""
        self._plug.before(f"write {key}")
        return self._store.write(key, data, condition=condition)

    def transfer(self, transfers: Sequence[Transfer], progress: Progress) -> None:
        """See `BlobStore.transfer`. One by one: many that die in the middle die between two."""
        for transfer in transfers:
            self._plug.before(f"transfer {transfer.key}")
            self._store.transfer([transfer], progress)

    def delete(self, keys: Iterable[str]) -> None:
        """See `BlobStore.delete`. One by one, as in `transfer`."""
        for key in keys:
            self._plug.before(f"delete {key}")
            self._store.delete([key])


class PluggedServer:
    """An `InferenceServer` whose user may die before it is told something, or within a load."""

    def __init__(self, server: InferenceServer, plug: Plug) -> None:
        self._server = server
        self._plug = plug

    def __getattr__(self, name: str) -> Any:
        """All else is the server's own."""
        return getattr(self._server, name)

    def load(self, name: str, *, timeout: float, override: LoadOverride | None = None) -> None:
        """See `InferenceServer.load`."""
        what = f"load {name}" if override is None else f"load a tiny model as {name}"
        self._plug.before(what)
        if self._plug.step(f"{what}, in the middle"):
            options = {"timeout": timeout, "override": override}
            threading.Thread(target=self._server.load, args=(name,), kwargs=options).start()
            time.sleep(_INTO_A_LOAD_SECONDS)
            self._plug.pull()
        self._server.load(name, timeout=timeout, override=override)

    def unload(self, name: str, *, timeout: float) -> None:
        """See `InferenceServer.unload`."""
        self._plug.before(f"unload {name}")
        self._server.unload(name, timeout=timeout)
