"""Law 5, after every step: a server that is started now serves the old model or the new one, whole.

Whatever is updated to whatever: a version beside the others, a configuration alone, back to what
is kept, in place, with labels, trees, ensembles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.layout import versions
from triton_deploy_core.package import ModelPackage
from triton_deploy_core.policy import policy_of
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

LARGE = 70_000


def _config(text: str = "", labels: str = "", policy: str = "") -> bytes:
    named = f' label_filename: "{labels}"' if labels else ""
    output = f'output {{ name: "OUT" data_type: TYPE_FP32 dims: 2{named} }}'
    block = f"version_policy {{ {policy} }}" if policy else ""
    return f'backend: "x"\nmax_batch_size: 0\n{output}\n{block}\n{text}\n'.encode()


def _tree(
    letter: str, *versions: int, config: bytes | None = b"", **beside: bytes
) -> dict[str, bytes]:
    """A tree whose versions have a small file, a large one and one that only some have."""
    files = dict(beside)
    if config is not None:
        files["config.pbtxt"] = config or _config()
    for number in versions:
        content = f"{letter}{number}".encode()
        files |= {
            f"{number}/model.onnx": content,
            f"{number}/large": content * LARGE,
            f"{number}/{letter}": content,
            f"{number}/same": b"never changes",
        }
    return files


def _ensemble(step: str, *versions: int) -> ModelPackage:
    config = f'platform: "ensemble"\nensemble_scheduling {{ step {{ model_name: "{step}" }} }}\n'
    return tree_package({"config.pbtxt": config.encode()} | {f"{n}/": b"" for n in versions})


def _generated(letter: str, number: int) -> ModelPackage:
    return version_package(letter.encode() * LARGE, number)


def _users(letter: str, number: int, policy: str = "", **beside: bytes) -> ModelPackage:
    config = _config(labels="labels.txt" if beside else "", policy=policy)
    return version_package(
        letter.encode(),
        number,
        user_config=config,
        beside={f"{name}.txt": data for name, data in beside.items()},
    )


ALL = _config(policy="all {}")
LABELS = _config(labels="labels")
ONLY_1 = "specific { versions: [1] }"
BOTH = _config(labels="1/labels", policy="specific { versions: [1, 2] }")
CASES: dict[str, list[ModelPackage]] = {
    "fresh version": [_generated("a", 1), _generated("b", 2)],
    "configuration alone": [
        version_package(b"a", 1, user_config=_config()),
        version_package(b"a", 1, user_config=_config("dynamic_batching { }")),
    ],
    "going back": [_generated("a", 1), _generated("b", 2), _generated("a", 1)],
    "going back under a users policy": [_generated("a", 1), _generated("b", 2), _users("b", 1)],
    "to a users policy": [_generated("a", 1), _users("b", 2, "all {}")],
    "the only version of a policy": [_users("a", 1, ONLY_1), _users("b", 1, ONLY_1)],
    "labels of a fresh version": [_users("a", 1, labels=b"A"), _users("b", 2, labels=b"B")],
    "labels alone": [_users("a", 1, labels=b"A"), _users("a", 1, labels=b"B" * LARGE)],
    "labels that go": [_users("a", 1, labels=b"A"), _users("b", 2)],
    "the only version, with labels": [
        _users("a", 1, ONLY_1, labels=b"A" * LARGE),
        _users("b", 1, ONLY_1, labels=b"B"),
    ],
    "tree": [tree_package(_tree("a", 1)), tree_package(_tree("b", 1))],
    "tree, a higher number": [tree_package(_tree("a", 1)), tree_package(_tree("b", 2))],
    "tree, a lower number": [tree_package(_tree("a", 3)), tree_package(_tree("b", 2))],
    "tree, one more version": [tree_package(_tree("a", 1)), tree_package(_tree("a", 1, 2))],
    "tree of all versions": [
        tree_package(_tree("a", 1, 2, config=ALL)),
        tree_package(_tree("b", 2, 3, config=ALL)),
    ],
    "tree of two versions, one of them changes": [
        tree_package(_tree("a", 1, 2, config=BOTH) | {"1/labels": b"A"}),
        tree_package(_tree("a", 2, config=BOTH) | _tree("b", 1, config=BOTH) | {"1/labels": b"B"}),
    ],
    "tree, what nobody sees": [
        tree_package(_tree("a", 1, 2)),
        tree_package(_tree("b", 1) | _tree("a", 2)),
    ],
    "tree with labels": [
        tree_package(_tree("a", 1, config=LABELS, labels=b"A")),
        tree_package(_tree("b", 1, config=LABELS, labels=b"B")),
    ],
    "tree, labels elsewhere": [
        tree_package(_tree("a", 1, config=LABELS, labels=b"A")),
        tree_package(_tree("b", 1, config=_config(labels="labels/x")) | {"labels/x": b"B"}),
    ],
    "tree, configuration alone": [
        tree_package(_tree("a", 1)),
        tree_package(_tree("a", 1, config=_config("dynamic_batching { }"))),
    ],
    "tree without a configuration": [
        tree_package(_tree("a", 1, config=None)),
        tree_package(_tree("b", 1, config=None)),
    ],
    "tree to a version of ours": [tree_package(_tree("a", 1, config=ALL)), _generated("b", 2)],
    "version of ours to a tree": [_generated("a", 1), tree_package(_tree("b", 1))],
    "ensemble": [_ensemble("a", 1), _ensemble("b", 1)],
    "ensemble, another version": [_ensemble("a", 1), _ensemble("b", 2)],
    "ensemble to a tree": [_ensemble("a", 1), tree_package(_tree("b", 1))],
}
BAD = [
    pytest.param(tree_package(_tree("a", 1)), tree_package(_tree("broken", 1)), id="tree"),
    pytest.param(_users("a", 1, ONLY_1, labels=b"A"), _users("broken", 1, ONLY_1), id="version"),
    pytest.param(_users("a", 1, labels=b"A"), _users("broken", 2, labels=b"B"), id="labels"),
]
HARDWARE = "gpu"
NAMED = f"configs/{HARDWARE}.pbtxt"


def _for_hardware(text: str = "instance_group { count: 2 }", **how: str) -> dict[str, bytes]:
    return {NAMED: _config(text, **how)}


def _tuned(letter: str, number: int, *, count: int = 2) -> ModelPackage:
    named = _for_hardware(f"instance_group {{ count: {count} }}")
    return version_package(letter.encode() * LARGE, number, beside=named)


NAMED_CASES: dict[str, list[ModelPackage]] = {
    "fresh version": [_tuned("a", 1), _tuned("b", 2)],
    "for one hardware more": [_generated("a", 1), _tuned("b", 2)],
    "for one hardware less": [_tuned("a", 1), _generated("b", 2)],
    "configuration alone": [_tuned("a", 1), _tuned("a", 1, count=3)],
    "going back": [_tuned("a", 1), _tuned("b", 2), _tuned("a", 1)],
    "users policy": [
        version_package(b"a", 1, user_config=ALL, beside=_for_hardware(policy="all {}")),
        version_package(b"b", 2, user_config=ALL, beside=_for_hardware(policy="all {}")),
    ],
    "the only version of a policy": [
        version_package(
            letter, 1, user_config=_config(policy=ONLY_1), beside=_for_hardware(policy=ONLY_1)
        )
        for letter in (b"a", b"b")
    ],
    "labels of a fresh version": [
        version_package(
            letter,
            number,
            user_config=_config(labels="labels.txt"),
            beside={"labels.txt": letter, **_for_hardware(labels="labels.txt")},
        )
        for number, letter in ((1, b"A"), (2, b"B"))
    ],
    "tree": [
        tree_package(_tree("a", 1) | _for_hardware()),
        tree_package(_tree("b", 1) | _for_hardware()),
    ],
    "tree, a higher number": [
        tree_package(_tree("a", 1) | _for_hardware()),
        tree_package(_tree("b", 2) | _for_hardware()),
    ],
    "tree of all versions": [
        tree_package(_tree("a", 1, 2, config=ALL) | _for_hardware(policy="all {}")),
        tree_package(_tree("b", 2, 3, config=ALL) | _for_hardware(policy="all {}")),
    ],
    "tree to a version of ours": [
        tree_package(_tree("a", 1, config=ALL) | _for_hardware(policy="all {}")),
        _tuned("b", 2),
    ],
    "version of ours to a tree": [_tuned("a", 1), tree_package(_tree("b", 1) | _for_hardware())],
}
Served = list[str]


def _served(world: SimulatedWorld) -> Served:
    """What the server serves: of each version all that an answer depends on, but its number.

    A version that serves under two numbers, to heal the readiness of one of them, counts once.
    """
    found = []
    versions = world.server.served("iris")
    everything = {path: data for files in versions.values() for path, data in files.items()}
    for number, files in versions.items():
        config = dict(world.server.config("iris"))
        del config["version_policy"]
        own = f"{number}/"
        model = {path.removeprefix(own): data for path, data in files.items() if own in path}
        labels = [everything[out.pop("label_filename")] for out in _outputs(config) if len(out) > 3]
        hashed = {path: hash(data) for path, data in model.items() if "labels" not in path}
        found.append(json.dumps([hashed, [hash(data) for data in labels], config], sort_keys=True))
    return sorted(set(found))


def _outputs(config: dict[str, Any]) -> list[dict[str, Any]]:
    config["output"] = [dict(output) for output in config.get("output", [])]
    return config["output"]


def _started(world: SimulatedWorld) -> Served:
    world.server.restart(load_all=True)
    assert world.server.is_ready()
    return _served(world)


STEPS = {
    f"{step}/{path}": data
    for step in ("a", "b")
    for path, data in _tree(step, 1, config=_config()).items()
}
"""Models that ensembles which their user laid out are made of: somebody else's."""


def _world(packages: list[ModelPackage], config_name: str | None = None) -> SimulatedWorld:
    world = SimulatedWorld(STEPS, config_name=config_name)
    world.service.create("iris", packages[0])
    for package in packages[1:]:
        world.service.update("iris", package)
    return world


def _update(world: SimulatedWorld, package: ModelPackage, after: int | None = None) -> int:
    death = SuddenDeath(after)
    world.new_process(death=death)
    with suppress(SimulatedCrash, LoadFailedError):
        world.service.update("iris", package)
    world.new_process()
    world.clock.advance(3600)
    return death.steps


def _repair(world: SimulatedWorld, after: int | None = None) -> None:
    world.new_process(death=SuddenDeath(after))
    with suppress(SimulatedCrash):
        world.service.require_existing("iris")
    world.new_process()
    world.clock.advance(3600)


def _sweep(before: list[ModelPackage], package: ModelPackage, *, fails: bool = False) -> None:
    world = _world(before)
    old_files, old = world.files("iris"), _served(world)
    assert old == _started(world)
    steps = _update(world, package)
    new_files, new = world.files("iris"), _served(world)
    assert new == _started(world)
    assert (new_files == old_files) is fails
    for step in range(steps):
        world = _world(before)
        _update(world, package, after=step)
        assert _served(world) in (old, new), f"running, after step {step}"
        assert _started(world) in (old, new), f"started, after step {step}"
        # Whoever repairs dies too, sooner or later, and so does the next.
        for second in (step * 5 % 11, step * 3 % 23):
            _repair(world, after=second)
            assert _started(world) in (old, new), f"after step {step}, and {second} of the repair"
        _repair(world)
        assert _served(world) in (old, new), f"repaired after step {step}"
        assert world.files("iris") in (old_files, new_files), f"repaired after step {step}"
        assert ".iris.@journal" not in world.store.snapshot()
        assert _started(world) in (old, new)


@pytest.mark.parametrize("config_name", [None, HARDWARE])
@pytest.mark.parametrize("case", NAMED_CASES)
def test_a_server_for_some_hardware_serves_the_old_model_or_the_new_one_too(case, config_name):
    """In between it may go by ``config.pbtxt``, which is for any hardware."""
    *before, package = NAMED_CASES[case]
    allowed = []
    for packages in (before, [*before, package]):
        world = _world(packages, config_name)
        files, served = world.files("iris"), _served(world)
        assert served == _started(world)
        world.server.config_name = None
        allowed.append((files, served, _started(world)))
    either = [served for _, *both in allowed for served in both]
    whole = [(files, served) for files, served, _ in allowed]
    for step in range(_update(_world(before, config_name), package)):
        world = _world(before, config_name)
        _update(world, package, after=step)
        assert _served(world) in either, f"running, after step {step}"
        assert _started(world) in either, f"started, after step {step}"
        for second in (step * 5 % 11, step * 3 % 23):
            _repair(world, after=second)
            assert _started(world) in either, f"after step {step}, and {second} of the repair"
        _repair(world)
        assert (world.files("iris"), _served(world)) in whole, f"repaired after step {step}"
        assert _started(world) == _served(world)


@pytest.mark.parametrize(
    ("old", "bad"),
    [
        (_tuned("a", 1), _tuned("broken\n", 2)),
        (
            tree_package(_tree("a", 1) | _for_hardware()),
            tree_package(_tree("broken", 1) | _for_hardware()),
        ),
    ],
)
def test_an_update_that_fails_puts_configurations_for_hardware_back(old, bad):
    world = _world([old], HARDWARE)
    files, served = world.files("iris"), _served(world)
    with pytest.raises(LoadFailedError, match="still serves"):
        world.service.update("iris", bad)
    assert world.files("iris") == files
    assert _served(world) == served == _started(world)


def test_a_server_for_some_hardware_never_sees_a_part_of_a_create_or_a_delete():
    def started(world: SimulatedWorld) -> Served:
        world.server.restart(load_all=True)
        return _served(world) if world.server.served("iris") else []

    package = _tuned("a", 1)
    whole = _served(_world([package], HARDWARE)), _served(_world([package])), []
    for operation in ("create", "delete"):
        steps: int | None = None
        for step in range(99):
            world = SimulatedWorld(config_name=HARDWARE)
            if operation == "delete":
                world.service.create("iris", package)
            death = SuddenDeath(step)
            world.new_process(death=death)
            with suppress(SimulatedCrash):
                if operation == "create":
                    world.service.create("iris", package)
                else:
                    world.service.delete("iris")
            world.new_process()
            assert started(world) in whole, f"{operation}, after step {step}"
            if death.steps <= step:
                steps = step
                break
        assert steps


@pytest.mark.parametrize("case", CASES)
def test_the_old_model_or_the_new_one_after_every_step(case):
    *before, package = CASES[case]
    _sweep(before, package)


@pytest.mark.parametrize(("old", "bad"), BAD)
def test_the_old_model_after_every_step_of_an_update_that_fails(old, bad):
    """Where it failed, what is in the repository for a moment would fail in a new server too."""
    world = _world([old])
    files, served = world.files("iris"), _served(world)
    for step in range(_update(world, bad)):
        world = _world([old])
        _update(world, bad, after=step)
        assert _served(world) == served, f"running, after step {step}"
        _repair(world, after=step * 5 % 17)
        _repair(world)
        assert world.files("iris") == files, f"repaired after step {step}"
        assert _started(world) == served, f"repaired after step {step}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_tree("a", 1), _tree("b", 1) | _tree("broken", 3)),
        (_tree("a", 1, config=LABELS, labels=b"A"), _tree("broken", 2, config=LABELS, labels=b"B")),
        (_tree("a", 1, 2, config=ALL), _tree("b", 1, config=ALL) | _tree("broken", 2, config=ALL)),
    ],
)
def test_there_always_is_something_to_serve(old, new):
    """Also while copies are made and removed, and while a number that failed is healed."""
    configs = SimpleConfigFormat()
    world = _world([tree_package(old)])
    files = world.files("iris")

    def look(moment):
        present = world.files("iris")
        policy = policy_of(present.get("config.pbtxt"), configs)
        assert policy.visible(versions(present)), moment

    world.store.faults = look
    with pytest.raises(LoadFailedError, match="still serves"):
        world.service.update("iris", tree_package(new))
    world.store.faults = None
    assert world.files("iris") == files
    assert world.server.is_ready()


def test_copies_are_made_only_of_what_is_in_use():
    def transferred(before: list[ModelPackage], package: ModelPackage) -> Mapping[str, int]:
        world = _world(before)
        calls = len(world.store.calls)
        world.service.update("iris", package)
        keys = [
            key
            for call in world.store.calls[calls:]
            if call.method == "transfer"
            for key in call.keys
        ]
        return {key.removeprefix("iris/"): keys.count(key) for key in keys}

    for case in ("configuration alone", "going back", "ensemble", "tree, configuration alone"):
        *before, package = CASES[case]
        assert transferred(before, package) == {}
    *before, package = CASES["tree, what nobody sees"]
    assert set(transferred(before, package)) == {
        *("1/b", "1/large", "1/model.onnx"),
        *(".deploy/saved/1/large",),
    }
    *before, package = CASES["tree"]
    copied = {path for path in transferred(before, package) if path.startswith("0/")}
    assert copied == {"0/a", "0/large", "0/model.onnx", "0/same"}
