"""Any sequence of operations on a fleet whose servers come and go, against a plain dict."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from triton_deploy_core.errors import ServerError
from triton_deploy_core.fleet.rollout import Rollout, Strategy
from triton_deploy_core.testing.simulated_calls import ServerCall
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.store_faults import SimulatedCrash
from triton_deploy_core.testing.sudden_death import SuddenDeath
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

NAMES = st.sampled_from(["iris", "iris2"])
SERVERS = st.integers(1, 2)
CONTENTS = st.sampled_from([b"one", b"two", b"three"])
PACKAGES = st.one_of(
    st.builds(version_package, CONTENTS, st.integers(1, 4)),
    CONTENTS.map(
        lambda data: tree_package({"config.pbtxt": b'backend: "x"\n', "1/model.onnx": data})
    ),
)
BAD = st.sampled_from([b"broken weights", b"needs gpu"])


def _content(package) -> bytes:
    return next(
        source.data for path, source in package.files.items() if path.endswith("model.onnx")
    )


class Fleet(RuleBasedStateMachine):
    """Three servers of which the first always answers, with a quorum of one."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, bytes] = {}

        self.world = SimulatedWorld(fleet_of=3, rollout=Rollout(quorum=1))
        self.world.servers[0].has = frozenset({"gpu"})

    def _use(self, rollout: Rollout) -> None:
        self.world.service = self.world.new_service(rollout=rollout)

    @rule(strategy=st.sampled_from(Strategy))
    def change_strategy(self, strategy):
        self._use(Rollout(strategy, quorum=1))

    @rule(name=NAMES, package=PACKAGES)
    def deploy(self, name, package):
        service = self.world.service
        act = service.update if name in self.model else service.create
        if self._does(lambda: act(name, package)):
            self.model[name] = _content(package)

    @rule(name=NAMES, content=BAD, number=st.integers(1, 4))
    def deploy_what_does_not_load(self, name, content, number):
        service = self.world.service
        act = service.update if name in self.model else service.create
        if self._does(lambda: act(name, version_package(content, number))):
            self.model[name] = content  # only the servers that can load it answered

    @rule(name=NAMES, package=PACKAGES, step=st.integers(0, 25))
    def die_in_an_operation(self, name, package, step):
        world = self.world
        before, after = self.model.get(name), _content(package)
        world.new_process(death=SuddenDeath(after=step))
        act = world.service.update if name in self.model else world.service.create
        with suppress(SimulatedCrash, ServerError):
            act(name, package)
        world.new_process()
        world.clock.advance(3600)  # its lease has run out
        world.service.repair()
        (now,) = set(world.serves(name).values()) or {None}
        assert now in {before, after}
        if now is not None:
            self.model[name] = now

    @rule(name=NAMES)
    def delete(self, name):
        if self._does(lambda: self.world.service.delete(name)):
            self.model.pop(name, None)

    @rule()
    def repair(self):
        self.world.service.repair()

    @rule(which=SERVERS)
    def part(self, which):
        self.world.servers[which].reachable = False

    @rule(which=SERVERS, calls=st.integers(0, 12))
    def part_soon(self, which, calls):
        server = self.world.servers[which]

        def count(_: ServerCall) -> None:
            nonlocal calls
            calls -= 1
            if calls < 0:
                server.reachable = False

        server.before_call = count

    @rule(which=SERVERS, is_empty=st.booleans())
    def come_back(self, which, is_empty):
        _come_back(self.world.servers[which], is_empty=is_empty)

    def _does(self, act) -> bool:
        try:
            act()
        except ServerError:
            return False
        return True

    @invariant()
    def the_server_that_always_answers_serves_what_was_deployed_last(self):
        for name in ("iris", "iris2"):
            served = set(self.world.serves(name).values())
            assert served == ({self.model[name]} if name in self.model else set())

    def teardown(self):
        world = self.world
        self._use(Rollout())
        for server in world.servers:
            _come_back(server, is_empty=False)
            server.has = frozenset({"gpu"})
        world.clock.advance(3600)
        reports = world.service.repair()
        assert all(report.error is None for report in reports), reports
        for name in ("iris", "iris2"):
            served = [set(world.serves(name, server).values()) for server in world.servers]
            expected = {self.model[name]} if name in self.model else set()
            assert served == [expected] * 3, name
        assert not world.unfinished()
        assert {found.name for found in world.service.list()} == set(self.model)
        assert all(world.service.get(name).differences == () for name in self.model)


def _come_back(server: SimulatedTriton, *, is_empty: bool) -> None:
    server.before_call = None
    server.reachable = True
    if is_empty:
        server.restart()


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
