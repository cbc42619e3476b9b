"""Whatever is done to a repository and a simulated Triton, certain things always hold."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from triton_deploy_core.errors import LoadFailedError
from triton_deploy_core.ports.config_format import AllVersions, Latest, Specific, VersionPolicy
from triton_deploy_core.ports.server import LoadOverride, ModelState
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulator import SimulatedTriton

NAMES = st.sampled_from(["iris", "iris2"])
VERSIONS = st.integers(1, 4)
POLICIES: st.SearchStrategy[VersionPolicy] = st.one_of(
    st.builds(Latest, st.integers(1, 3)),
    st.builds(AllVersions),
    st.builds(Specific, st.frozensets(VERSIONS)),
)
MOVING = {ModelState.LOADING, ModelState.UNLOADING}


class SimulatorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.server = SimulatedTriton(self.store, clock=self.clock)
        self.policies: dict[str, VersionPolicy] = {}
        self.serial = 0
        for name in ("iris", "iris2"):
            self.set_policy(name, Latest())

    @rule(name=NAMES, policy=POLICIES)
    def set_policy(self, name: str, policy: VersionPolicy) -> None:
        config = SimpleConfigFormat().with_version_policy(b'backend: "python"', policy)
        self.store.seed({f"{name}/config.pbtxt": config})
        self.policies[name] = policy

    @rule(name=NAMES, version=VERSIONS, word=st.sampled_from(["good", "good", "broken"]))
    def put(self, name: str, version: int, word: str) -> None:
        self.serial += 1
        self.store.seed({f"{name}/{version}/model.py": f"{word} {self.serial}".encode()})

    @rule(name=NAMES, version=VERSIONS)
    def delete(self, name: str, version: int) -> None:
        self.store.delete([f"{name}/{version}/model.py"])

    @rule(seconds=st.floats(0.1, 2))
    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @rule(name=NAMES)
    def load(self, name: str) -> None:
        other = "iris2" if name == "iris" else "iris"
        before, before_other = self.server.served(name), self.server.served(other)
        found = self.in_repository(name)
        visible = self.policies[name].visible(found)
        wanted = {version: found[version] for version in visible}
        try:
            self.server.load(name, timeout=1)
        except LoadFailedError:
            broken = [data for files in wanted.values() for data in files.values()]
            assert not wanted or any(data.startswith(b"broken") for data in broken)
            assert self.server.served(name) == before
        else:
            assert self.server.served(name) == wanted
        assert self.server.served(other) == before_other

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        self.server.unload(name, timeout=1)
        assert self.server.served(name) == {}

    @rule(name=NAMES)
    def heal(self, name: str) -> None:
        failed = [
            row.version
            for row in self.server.index()
            if row.name == name and row.version is not None
        ]
        files = {f"{version}/model.py": b"tiny" for version in failed or [1]}
        config = {"backend": "python", "version_policy": {"all": {}}}
        self.server.load(name, timeout=1, override=LoadOverride(config, files))
        self.server.unload(name, timeout=1)
        self.clock.sleep(self.server.unload_seconds)
        rows = [row for row in self.server.index() if row.name == name]
        assert {row.reason for row in rows} == {"unloaded"}

    @rule(load_all=st.booleans())
    def restart(self, load_all: bool) -> None:
        self.server.restart(load_all=load_all)
        if not load_all:
            assert self.server.is_ready()

    @invariant()
    def what_serves_is_ready_everywhere(self) -> None:
        rows = self.server.index()
        ready = {(row.name, row.version) for row in rows if row.state is ModelState.READY}
        assert ready == self.server.loaded()
        for name in ("iris", "iris2"):
            assert self.server.ready_versions(name) == self.server.served(name).keys()

    @invariant()
    def a_ready_server_has_nothing_under_way(self) -> None:
        if self.server.is_ready():
            assert not any(row.state in MOVING for row in self.server.index())

    def in_repository(self, name: str) -> dict[int, dict[str, bytes]]:
        found = {}
        for key, data in self.store.snapshot().items():
            model, version, *rest = key.split("/")
            if model == name and rest:
                found[int(version)] = {f"{version}/{rest[0]}": data}
        return found


TestSimulatorMachine = SimulatorMachine.TestCase
