"""One scenario on one repository: a fault happens at every step, and all of it is watched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from reliability.models import generated
from reliability.observing import answers, is_ready
from reliability.plug import Fault
from reliability.scenarios import NAME, Scenario
from reliability.sites import Site
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat
from triton_local_server import LocalTriton

_VICTIM_SECONDS = 120
_KILLED = -9
_NEIGHBOUR = f"{NAME}2"
# These stay: what is known of the files that are there, and the lease's own lock file.
_KEPT = ("@digests", ".triton-deploy.lock")


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

    def __enter__(self) -> Sweep:  # noqa: PYI034  (no typing_extensions here)
        """Start the server."""
        self._triton.start()
        self._server = connect(self._triton.url)
        store = open_store(self._site.location)
        self._service = DeploymentService(store, self._server, PbtxtFormat())
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
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "reliability.victim",
                self._site.location,
                self._triton.url,
                *what,
            ],
            capture_output=True,
            text=True,
            timeout=_VICTIM_SECONDS,
            check=False,
        )
        step = done.stdout.strip()
        is_dead = self._fault is Fault.DEATH and step != "done"
        if done.returncode != (_KILLED if is_dead else 0):
            raise RuntimeError(f"{self._scenario.name}, step {number} ({step}): {done.stderr}")
        return step

    def _watch(self, number: int, step: str) -> Happening:
        old, new = _answers(self._scenario.old), _answers(self._scenario.new)
        wrong = []
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
        if answers(self._triton.url, NAME) != old:
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


def _answers(answer: str | None) -> frozenset[str]:
    return frozenset() if answer is None else frozenset({answer})
