"""Whatever happens to repository and replica: some rounds later it serves what is there."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from triton_deploy_core.errors import DeployError
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.store_faults import CrashAt, SimulatedCrash
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

NAMES = ("a", "b")
TREE = b'backend: "onnxruntime"\nversion_policy { all {} }\n'

packages = st.one_of(
    st.builds(
        version_package,
        st.sampled_from([b"one", b"two", b"broken"]),
        st.integers(1, 3),
    ),
    st.builds(
        lambda content: tree_package({"config.pbtxt": TREE, "1/model.onnx": content}),
        st.sampled_from([b"tree", b"TREE", b"broken"]),
    ),
)
steps = st.one_of(
    st.tuples(st.just("deploy"), st.sampled_from(NAMES), packages),
    st.tuples(st.just("die"), st.sampled_from(NAMES), packages, st.integers(0, 25)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("round")),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 61])),
)


class Surviving:
    """The repository as others see it, whichever process that changes it has died."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    def __getattr__(self, name: str):
        return getattr(self._world.store, name)


class Site:
    """A server that is deployed to, and a replica that has only its reconciler."""

    def __init__(self) -> None:
        self.world = SimulatedWorld({"theirs/1/model.onnx": b"theirs"})
        store = Surviving(self.world)
        self.replica = SimulatedTriton(store, clock=self.world.clock)
        self.reconciler = DeploymentService(
            store, self.replica, SimpleConfigFormat(), clock=self.world.clock
        ).reconciler(parallelism=2)

    def deploy(self, name, package) -> None:
        service = self.world.service
        with suppress(DeployError):
            (service.update if service.has(name) else service.create)(name, package)

    def die(self, name, package, moment) -> None:
        self.world.new_process(CrashAt(moment))
        with suppress(SimulatedCrash):
            self.deploy(name, package)
        self.world.new_process()

    def delete(self, name) -> None:
        with suppress(DeployError):
            self.world.service.delete(name)

    def restart(self) -> None:
        self.replica.restart()

    def round(self) -> None:
        self.reconciler.round()

    def wait(self, seconds) -> None:
        self.world.clock.advance(seconds)

    def expected(self, name) -> list[bytes]:
        """What a server serves that loads the repository afresh."""
        if f"{name}/mlflow-meta.json" not in self.world.store.snapshot():
            return []
        other = SimulatedTriton(self.world.store, clock=self.world.clock)
        with suppress(DeployError):
            other.load(name, timeout=9)
        return _contents(other, name)


def _contents(server, name) -> list[bytes]:
    return [files[f"{number}/model.onnx"] for number, files in server.served(name).items()]


@given(st.lists(steps, max_size=12))
def test_it_ends_at_what_the_repository_holds(actions):
    site = Site()
    for action, *arguments in actions:
        getattr(site, action)(*arguments)
    for _ in range(4):
        site.wait(61)
        site.round()
    for name in NAMES:
        assert _contents(site.replica, name) == site.expected(name)
    assert _contents(site.replica, "theirs") == []
    assert site.world.unfinished() == []
    assert site.replica.is_ready()
    settled = site.reconciler.round()
    assert settled.is_settled
    assert not any(report.done for report in settled.reports)
