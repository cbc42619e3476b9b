"""Any sequence of operations, failures and restarts, against a plain dict of what should serve."""

from __future__ import annotations

from contextlib import contextmanager, suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from triton_deploy_core.errors import (
    DeploymentExistsError,
    DeploymentNotFoundError,
    LoadFailedError,
    LoadTimeoutError,
    NotOursError,
)
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

ALL = ["iris", "iris2", "iri", ".iris", "theirs"]
NAMES = st.sampled_from(ALL)
THEIRS = {"theirs/config.pbtxt": b'backend: "x"\n', "theirs/1/model.onnx": b"theirs"}
CONFIGS = st.sampled_from(
    [
        None,
        b'backend: "onnxruntime"\nmax_batch_size: 0\n',
        b'backend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n',
        b'backend: "onnxruntime" max_batch_size: 0 version_policy { latest { num_versions: 3 } }',
    ]
)
CONTENTS = st.integers(0, 10**6).map(lambda number: b"weights %d" % number)
BAD = st.sampled_from([b"broken weights", b"hang"])


@st.composite
def good_packages(draw):
    content = draw(CONTENTS)
    if draw(st.booleans()):
        config = draw(CONFIGS)
        return content, version_package(content, draw(st.integers(1, 4)), user_config=config)
    number = draw(st.integers(1, 3))
    files = {"config.pbtxt": b'backend: "x"\n', f"{number}/model.onnx": content}
    if draw(st.booleans()):
        files |= {f"{number}/large": content * 10_000, f"{number - 1}/model.onnx": b"not served"}
    return content, tree_package(files)


def bad_packages():
    return st.one_of(
        st.builds(version_package, BAD, st.integers(1, 4)),
        BAD.map(
            lambda data: tree_package({"config.pbtxt": b'backend: "x"\n', "1/model.onnx": data})
        ),
    )


class Deployments(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = SimulatedWorld(THEIRS)
        self.world.service = self.world.new_service(timeout=30)
        self.expected: dict[str, bytes] = {}

    @rule(name=NAMES, good=good_packages())
    def create(self, name, good):
        content, package = good
        if name == "theirs":
            with pytest.raises(NotOursError):
                self.world.service.create(name, package)
        elif name in self.expected:
            with pytest.raises(DeploymentExistsError):
                self.world.service.create(name, package)
        else:
            self.world.service.create(name, package)
            self.expected[name] = content

    @rule(name=NAMES, good=good_packages())
    def update(self, name, good):
        content, package = good
        if name == "theirs":
            with pytest.raises(NotOursError):
                self.world.service.update(name, package)
        elif name in self.expected:
            self.world.service.update(name, package)
            self.expected[name] = content
        else:
            with pytest.raises(DeploymentNotFoundError):
                self.world.service.update(name, package)

    @rule(name=NAMES, package=bad_packages())
    def fail(self, name, package):
        before = _in_directories(self.world)
        act = self.world.service.update if name in self.expected else self.world.service.create
        with pytest.raises((LoadFailedError, LoadTimeoutError, NotOursError)):
            act(name, package)
        # The journal of a load that may yet end well stays.
        assert _in_directories(self.world) == before
        assert set(self.world.unfinished()) <= {f".{n}.@journal" for n in ALL}
        # A load that hangs keeps hanging: only a new process gets rid of it.
        self.world.server.restart(load_all=True)

    @rule(name=NAMES)
    def delete(self, name):
        if name == "theirs":
            with pytest.raises(NotOursError):
                self.world.service.delete(name)
        else:
            self.world.service.delete(name)
            self.expected.pop(name, None)

    @rule(name=NAMES, good=good_packages(), step=st.integers(0, 30), second=st.integers(0, 20))
    def die(self, name, good, step, second):
        """Killed while it updates, and again while that is repaired; and started again."""
        if name not in self.expected:
            return
        content, package = good
        either = (content, self.expected[name])
        with self._killed_after(step):
            self.world.service.update(name, package)
        self._assert_served(name, either)
        with self._killed_after(second):
            self.world.service.require_existing(name)
        self._assert_served(name, either)
        self.world.service.require_existing(name)
        self._assert_served(name, either)
        # The lease of the dead is left until the next operation that changes something.
        self.world.service.update(name, package)
        self.expected[name] = content

    @contextmanager
    def _killed_after(self, step):
        self.world.new_process(death=SuddenDeath(step))
        with suppress(SimulatedCrash):
            yield
        self.world.new_process()
        self.world.clock.advance(3600)
        self.world.server.restart(load_all=True)

    def _assert_served(self, name, contents):
        (served,) = self.world.serves(name).values()
        assert served in contents

    @rule()
    def restart(self):
        self.world.server.restart(load_all=True)

    @invariant()
    def the_server_serves_what_was_deployed_last(self):
        for name, content in self.expected.items():
            assert list(self.world.serves(name).values()) == [content]
        listed = {item.name for item in self.world.service.list()}
        assert listed == set(self.expected)

    @invariant()
    def nobody_elses_files_are_touched_and_nothing_is_left_over(self):
        snapshot = self.world.store.snapshot()
        assert {key: snapshot[key] for key in THEIRS} == THEIRS
        directories = {key.partition("/")[0] for key in _in_directories(self.world)}
        assert directories == {"theirs", *self.expected}


def _in_directories(world: SimulatedWorld) -> dict[str, bytes]:
    return {key: data for key, data in world.store.snapshot().items() if "/" in key}


TestDeployments = Deployments.TestCase
