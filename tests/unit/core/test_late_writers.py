"""Law 6: a writer that was paused past its lease changes nothing when it wakes up.

It is paused before each of its steps, another takes over and finishes, then it goes on. Its own
clock stands still meanwhile, as that of a machine does that is moved: only the store can tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from triton_deploy_core.errors import (
    DeployError,
    DeploymentNotFoundError,
    LeaseLostError,
    LoadFailedError,
    NoPreviousVersionError,
    ServerUnreachableError,
    StoreUnavailableError,
)
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import StoppedClock
from triton_deploy_core.testing.pause import Pause
from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.store_faults import Moment, SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import (
    SimulatedWorld,
    ensemble_package,
    tree_package,
    version_package,
)

USERS = b'# mine\nbackend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n'
ONLY_1 = USERS.replace(b"all {}", b"specific { versions: [ 1 ] }")
LARGE = b"x" * 70_000
Act = Callable[[DeploymentService], object]


def _tree(letter: bytes, *numbers: int) -> ModelPackage:
    files = {"config.pbtxt": USERS, "labels.txt": letter}
    for number in numbers:
        files |= {f"{number}/model.onnx": letter, f"{number}/large": letter + LARGE}
    return tree_package(files)


def _create(package) -> Act:
    return lambda service: service.create("iris", package)


def _update(package, **how) -> Act:
    return lambda service: service.update("iris", package, **how)


def _rollback(service: DeploymentService) -> object:
    return service.rollback("iris")


def _delete(service: DeploymentService) -> object:
    return service.delete("iris")


def _recreate(service: DeploymentService) -> object:
    service.delete("iris")
    return service.create("iris", version_package(b"next", 1))


def _repair_iris(service: DeploymentService) -> None:
    (report,) = service.repair("iris")
    if report.error is not None:
        raise report.error


def _repair(service: DeploymentService) -> object:
    return service.repair()


@dataclass(frozen=True)
class Kind:
    """What is there before, and the operation that is paused.

    Attributes:
        dies_after: the step after which an update to `NEW` has died before, if one has.
    """

    before: tuple
    act: Act
    is_in_place: bool = False
    dies_after: int | None = None


@dataclass(frozen=True)
class Overtaken:
    """What came of a pause.

    Attributes:
        after: files and served versions when the other operation was over.
        error: what the paused one ended with.
    """

    world: SimulatedWorld
    pause: Pause
    after: tuple
    error: DeployError | None
    where: str


OLD, NEW = version_package(b"old", 1), version_package(b"new" + LARGE, 2)
KINDS = {
    "create": Kind((), _create(NEW)),
    "create of a tree": Kind((), _create(_tree(b"n", 1, 2)), is_in_place=True),
    "create that fails": Kind((), _create(version_package(b"broken\n"))),
    "update": Kind((OLD,), _update(NEW)),
    "update that removes": Kind((OLD, NEW), _update(version_package(b"3", 3), keep_versions=0)),
    "update of a users configuration": Kind(
        (version_package(b"old", 1, user_config=USERS),),
        _update(version_package(b"new", 2, user_config=USERS)),
    ),
    "update of labels": Kind(
        (version_package(b"old", 1, beside={"labels.txt": b"o"}),),
        _update(version_package(b"new", 2, beside={"labels.txt": b"n"})),
        is_in_place=True,
    ),
    "update in place": Kind(
        (version_package(b"old", 1, user_config=ONLY_1),),
        _update(version_package(b"new", 1, user_config=ONLY_1)),
        is_in_place=True,
    ),
    "update of a tree": Kind((_tree(b"o", 1, 2),), _update(_tree(b"n", 2, 3)), is_in_place=True),
    "update that fails": Kind((OLD,), _update(version_package(b"broken\n", 2))),
    "update by force": Kind((OLD,), _update(OLD, force=True)),
    "rollback": Kind((OLD, NEW), _rollback),
    "delete": Kind((OLD, NEW), _delete),
    "repair that undoes": Kind((OLD,), _repair_iris, dies_after=3),
    "repair that finishes": Kind((OLD,), _repair_iris, dies_after=6),
    "ensemble": Kind((), _create(ensemble_package(b"pre", b"main"))),
    "update of an ensemble": Kind(
        (ensemble_package(b"pre", b"main"),), _update(ensemble_package(b"pre2", b"main2"))
    ),
    "delete of an ensemble": Kind((ensemble_package(b"pre", b"main"),), _delete),
}
MEANWHILE = {
    "repair": _repair,
    "update back and forth": lambda service: (
        service.update("iris", version_package(b"next", 3)),
        service.rollback("iris"),
    ),
    "delete and create": _recreate,
}


def _world(kind: Kind, *, is_object_store: bool) -> SimulatedWorld:
    world = SimulatedWorld(is_object_store=is_object_store)
    world.service.create("iris2", version_package(b"neighbour", 1))
    for number, package in enumerate(kind.before):
        (world.service.update if number else world.service.create)("iris", package)
    if kind.dies_after is not None:
        world.new_process(death=SuddenDeath(kind.dies_after))
        with suppress(SimulatedCrash):
            world.service.update("iris", NEW)
        world.new_process()
    return world


def _steps(kind: Kind, *, is_object_store: bool) -> int:
    world = _world(kind, is_object_store=is_object_store)
    pause = Pause()
    with suppress(LoadFailedError):
        kind.act(world.paused_process(pause))
    return pause.steps


def _state(world: SimulatedWorld) -> tuple[dict[str, bytes], dict[str, dict[int, bytes]]]:
    """All files of deployments, and the files of the versions that the server serves."""
    files = {key: data for key, data in world.store.snapshot().items() if not key.startswith(".")}
    return files, {
        name: _served(world, name) for name in {name for name, _ in world.server.loaded()}
    }


def _served(world: SimulatedWorld, name: str) -> dict[int, dict[str, bytes]]:
    return {
        number: {path: data for path, data in files.items() if path.startswith(f"{number}/")}
        for number, files in world.server.served(name).items()
    }


def _is_in_window(step: Moment | ServerCall | None) -> bool:
    """A shared file that is put or removed as a whole: ADR 2 says how late that can be."""
    return isinstance(step, Moment) and step.call.method in {"transfer", "delete"}


def _take_over(world: SimulatedWorld, act: Act) -> Callable[[], None]:
    def meanwhile() -> None:
        world.clock.advance(61)
        service = world.new_service()
        with suppress(DeploymentNotFoundError, NoPreviousVersionError):
            act(service)
        # What a part of an ensemble holds may be held a little longer.
        world.clock.advance(61)
        service.repair()

    return meanwhile


def _overtaken(
    kind: Kind, act: Act, step: int, *, is_object_store: bool = False, lost: str = ""
) -> Overtaken:
    """Pause the operation at a step, have another one take over, and let it go on.

    Args:
        kind: the operation.
        act: the other one.
        step: the step, counted from 0.
        is_object_store: what kind of repository it is.
        lost: what also gets lost on the way, of the step's own: the "request" or the "answer".
    """
    world = _world(kind, is_object_store=is_object_store)
    clock = StoppedClock(world.clock)
    after = []

    def take_over() -> None:
        with clock.standing_still():
            _take_over(world, act)()
        after.append(_state(world))
        if isinstance(pause.at, Moment) and lost:
            raise StoreUnavailableError("the repository can't be reached")
        if lost:
            raise ServerUnreachableError("the server can't be reached")

    pause = Pause(before=step, meanwhile=take_over, is_late=lost == "answer")
    error = None
    try:
        kind.act(world.paused_process(pause, clock))
    except DeployError as caught:
        error = caught
    return Overtaken(world, pause, after[0], error, f"step {step}: {pause.at}")


def _check(found: Overtaken, *, may_be_late: bool) -> None:
    """See that nothing has changed since the other operation, and that the error says why."""
    assert isinstance(found.error, LeaseLostError), f"{found.where}: {found.error!r}"
    assert "\n" not in str(found.error)
    files, served = found.after
    now, served_now = _state(found.world)
    assert served_now == served, found.where
    assert not [key for key in found.world.store.snapshot() if ".@journal" in key], found.where
    late = now.keys() - files.keys()
    assert {key: now[key] for key in now.keys() - late} == files, found.where
    if late:
        # It was on its way. No version that anything names is of it, and it goes.
        assert may_be_late, found.where
        directories = {key.rpartition("/")[0] for key in files}
        assert directories.isdisjoint(key.rpartition("/")[0] for key in late), found.where
        found.world.new_service().repair()
        assert _state(found.world) == (files, served), found.where


@pytest.mark.parametrize("is_object_store", [False, True], ids=["local", "object store"])
@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("case", KINDS)
def test_one_that_was_overtaken_changes_nothing(case, meanwhile, is_object_store):
    kind, act = KINDS[case], MEANWHILE[meanwhile]
    # Where a lease was left, it takes two writes to have it.
    first = 1 if kind.dies_after is None else 2
    for step in range(first, _steps(kind, is_object_store=is_object_store)):
        found = _overtaken(kind, act, step, is_object_store=is_object_store)
        if is_object_store and kind.is_in_place and _is_in_window(found.pause.at):
            continue
        _check(found, may_be_late=is_object_store)


@pytest.mark.parametrize("lost", ["request", "answer"])
@pytest.mark.parametrize("case", ["create", "update", "update in place", "delete", "rollback"])
def test_one_that_was_cut_off_and_overtaken_changes_nothing(case, lost):
    """Of a step the request is lost, or its answer though it was carried out."""
    kind = KINDS[case]
    for step in range(1, _steps(kind, is_object_store=False) - 1):
        _check(
            _overtaken(kind, MEANWHILE["update back and forth"], step, lost=lost), may_be_late=False
        )


def test_the_error_says_what_is_deployed_now_and_that_nothing_is_left_to_do():
    kind = KINDS["update"]
    steps = range(1, _steps(kind, is_object_store=False))
    texts = [str(_overtaken(kind, MEANWHILE["repair"], step).error) for step in steps]
    assert all("nothing needs to be cleaned up" in text for text in texts)
    assert "Deployed now is models:/m/1 (onnx), of which version 1 is served" in texts[0]
    assert "had been committed before" not in texts[0]
    assert "Its own change had been committed before" in texts[-1]
    assert "Deployed now is models:/m/2 (onnx), of which version 2 is served" in texts[-1]


def test_one_that_nobody_overtook_goes_on():
    """Though its lease has run out long ago."""
    kind = KINDS["update"]
    for step in range(1, _steps(kind, is_object_store=False)):
        world = _world(kind, is_object_store=False)
        pause = Pause(before=step, meanwhile=lambda world=world: world.clock.advance(120))
        kind.act(world.paused_process(pause))
        assert world.serves("iris") == {2: b"new" + LARGE}
        assert world.unfinished() == []
