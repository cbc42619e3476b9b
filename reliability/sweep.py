"""One scenario on one repository: a fault happens at every step, and all of it is watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from reliability.models import generated
from reliability.observing import answers, is_ready
from reliability.plug import Fault
from reliability.scenarios import NAME, Scenario, become
from reliability.sites import Site
from triton_deploy_core.errors import LeaseLostError
from triton_deploy_core.lease import LEASE_SECONDS
from triton_deploy_core.ports.store import BlobStore
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.faulty_store import FaultyStore
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat
from triton_local_server import LocalTriton

_VICTIM_SECONDS = 120
_KILLED = -9
_NEIGHBOUR = f"{NAME}2"
# These stay: what is known of the files that are there, numbers that an overtaken writer may still
# write to, and the lock file.
_KEPT = ("@digests", "@fence", ".triton-deploy.lock")


@dataclass(frozen=True)
class Happening:
    """What was seen of one fault.

    Attributes:
        number: of the step before which it happened.
        step: what would have been done next.
        running: what the server that runs on served right afterwards, by its versions' answers.
        started: what a server served that was started from the repository right afterwards.
        wrong: what must not be; empty where all is well.
    """

    number: int
    step: str
    running: tuple[str, ...]
    started: tuple[str, ...]
    wrong: tuple[str, ...]


class Sweep:
    """A repository with a neighbour in it, and a Triton that reads it, for a ``with`` block.

    Args:
        scenario: what is disturbed.
        fault: how.
        site: the repository.
    """

    def __init__(self, scenario: Scenario, fault: Fault, site: Site) -> None:
        self._scenario = scenario
        self._fault = fault
        self._site = site
        self._triton = self._new_triton()
        self._surprises: list[str] = []
        self._has_taken_over = False

    def __enter__(self) -> Sweep:  # noqa: PYI034  (no typing_extensions here)
        """Start the server."""
        self._triton.start()
        self._server = connect(self._triton.url)
        store = open_store(self._site.location)
        self._service = DeploymentService(store, self._server, PbtxtFormat())
        self._overtaker = DeploymentService(Older(store), self._server, PbtxtFormat())
        self._service.create(_NEIGHBOUR, generated("neighbour"))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self._server.close()
        self._triton.stop()

    def happenings(self, *, every: int = 1) -> Iterator[Happening]:
        """Disturb each step, or each so many steps, until the scenario gets through."""
        for number in count(step=every):
            self._scenario.prepare(self._service)
            step = self._disturb(number)
            if step == "done":
                return
            yield self._watch(number, step)

    def _disturb(self, number: int) -> str:
        what = [self._scenario.name, self._fault.value, str(number)]
        where = [self._site.location, self._triton.url]
        self._surprises, self._has_taken_over = [], False
        with subprocess.Popen(
            [sys.executable, "-m", "reliability.victim", *where, *what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as victim:
            if self._fault is Fault.PAUSE:
                self._take_over(victim)
            said, errors = victim.communicate(timeout=_VICTIM_SECONDS)
        step, _, outcome = said.strip().partition("\n")
        is_dead = self._fault is Fault.DEATH and step != "done"
        if victim.returncode != (_KILLED if is_dead else 0):
            raise RuntimeError(f"{self._scenario.name}, step {number} ({step}): {errors}")
        if self._has_taken_over and outcome != LeaseLostError.__name__:
            self._surprises.append(f"the paused one ended with {outcome or 'success'}")
        return step

    def _take_over(self, victim: subprocess.Popen[str]) -> None:
        """Do another operation while the victim is paused, as if its lease had run out."""
        _, status = os.waitpid(victim.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            victim.returncode = os.waitstatus_to_exitcode(status)
            return
        try:
            self._has_taken_over = self._has_lease()
            if self._has_taken_over:
                become(self._overtaker, generated("other"))
        finally:
            os.kill(victim.pid, signal.SIGCONT)

    def _has_lease(self) -> bool:
        store = open_store(self._site.location)
        return any(store.list(f".{NAME}.@journal"))

    def _watch(self, number: int, step: str) -> Happening:
        old, new = _answers(self._scenario.old), _answers(self._scenario.new)
        wrong = list(self._surprises)
        if self._fault is Fault.PAUSE and self._has_taken_over:
            old = new = _answers("other")
        running = answers(self._triton.url, NAME)
        if running not in {old, new}:
            wrong.append("the server that runs on serves something else")
        with self._new_triton("*") as second:
            started = answers(second.url, NAME)
            if answers(second.url, _NEIGHBOUR) != {"neighbour"}:
                wrong.append("the neighbour does not serve")
        # Whether Triton takes a package shows when it is loaded, which is after the commit.
        if started not in ({old, new, _answers(None)} if self._scenario.is_refused else {old, new}):
            wrong.append("a server that starts serves something else")
        self._scenario.prepare(self._service)
        if answers(self._triton.url, NAME) != _answers(self._scenario.old):
            wrong.append("the next operation did not make its model serve")
        if not is_ready(self._triton.url):
            wrong.append("the server is not ready after the next operation")
        wrong += [f"{key} is left over" for key in self._leftovers()]
        return Happening(number, step, tuple(sorted(running)), tuple(sorted(started)), tuple(wrong))

    def _new_triton(self, *load: str) -> LocalTriton:
        return LocalTriton(
            self._site.location,
            load_models=load,
            disable_auto_complete=True,
            exit_timeout=0,
            env=self._site.environment,
            extra_args=["--exit-on-error=false"],
        )

    def _leftovers(self) -> list[str]:
        keys = [blob.key for blob in open_store(self._site.location).list("")]
        ours = [key for key in keys if key.startswith(".") or "/.deploy/" in key]
        return [key for key in ours if not key.endswith(_KEPT)]


class Older(FaultyStore):
    """A repository whose leases have all run out."""

    def __init__(self, store: BlobStore) -> None:
        super().__init__(store, lambda _: None)

    def age(self, key: str) -> float:
        """See `BlobStore.age`."""
        return super().age(key) + LEASE_SECONDS


def _answers(answer: str | None) -> frozenset[str]:
    return frozenset() if answer is None else frozenset({answer})
