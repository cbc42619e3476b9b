"""A repository, a server that reads it and the service between them, all in memory.

::

    world = SimulatedWorld()
    world.service.create("iris", version_package(b"weights"))
    assert world.serves("iris") == {1: b"weights"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from triton_deploy_core.bookkeeping import journal_key
from triton_deploy_core.clock import Clock
from triton_deploy_core.ensembles.package import EnsemblePackage, Step
from triton_deploy_core.fleet.fleet import Fleet
from triton_deploy_core.fleet.rollout import Rollout
from triton_deploy_core.lease import LeaseRecord
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin, TreePackage, VersionPackage
from triton_deploy_core.ports.store import BlobStore, Content
from triton_deploy_core.records import RECORD_FILE
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.pause import Pause
from triton_deploy_core.testing.simulated_fleet import simulated_servers
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.store_faults import FaultHook
from triton_deploy_core.testing.sudden_death import SuddenDeath

MODEL_FILE = "model.onnx"
CONFIG = b'backend: "onnxruntime"\nmax_batch_size: 0\n'
TENSORS = """\
input { name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }
"""
STEP_CONFIG = CONFIG + TENSORS.encode()


class SimulatedWorld:
    """All that the core needs from the outside, simulated.

    Args:
        files: what there is in the repository.
        fleet_of: how many servers make a fleet; None: one server, as it is.
        rollout: how operations go through the fleet.
        config_name: the ``--model-config-name`` of a server that is no fleet.
        is_object_store: see `MemoryStore`.

    Attributes:
        clock: the time that all of it shares.
        store: the repository.
        servers: the servers that read it.
        service: the service between them; `new_service` makes others, as other processes have.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        fleet_of: int | None = None,
        rollout: Rollout | None = None,
        config_name: str | None = None,
        is_object_store: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(files, clock=self.clock, is_object_store=is_object_store)
        self.servers = (
            [SimulatedTriton(self.store, clock=self.clock, config_name=config_name)]
            if fleet_of is None
            else simulated_servers(fleet_of, self.store, self.clock)
        )
        self._is_fleet = fleet_of is not None
        self._rollout = rollout
        self.service = self.new_service()

    @property
    def server(self) -> SimulatedTriton:
        """The server, or the first of them; services made before it is replaced keep theirs."""
        return self.servers[0]

    @server.setter
    def server(self, server: SimulatedTriton) -> None:
        self.servers[0] = server

    def new_service(
        self,
        *,
        store: BlobStore | None = None,
        timeout: float = 900.0,
        rollout: Rollout | None = None,
        clock: Clock | None = None,
    ) -> DeploymentService:
        """Return another service for the same servers.

        Args:
            store: the repository; the same if left out.
            clock: the time as the service sees it; the one that all share if left out.
            timeout: seconds of one load or unload.
            rollout: how operations go through the fleet; as before if left out.
        """
        return DeploymentService(
            store or self.store,
            Fleet(self.servers, rollout or self._rollout) if self._is_fleet else self.server,
            SimpleConfigFormat(),
            clock=clock or self.clock,
            timeout=timeout,
        )

    def new_process(
        self, faults: FaultHook | None = None, death: SuddenDeath | None = None
    ) -> None:
        """Go on as another process after one that died: with these faults from now on.

        Args:
            faults: of the repository.
            death: of the process, at a step of what it does to the repository or the server.
        """
        self.store = self.store.survivor()
        self.store.faults = death or faults
        for server in self.servers:
            server.after_call = death
            server.store = self.store
        self.service = self.new_service()

    def move_holder(self, name: str) -> None:
        """Have a lease be held on another machine, from where it can't be seen who has died."""
        key = journal_key(DeploymentName(name))
        lease = LeaseRecord.decode(self.store.snapshot()[key], DeploymentName(name))
        self.store.seed({key: replace(lease, process="").encode()})

    def paused_process(self, pause: Pause, clock: Clock | None = None) -> DeploymentService:
        """Return a service as another process has it, which is paused.

        Args:
            pause: when, and what happens meanwhile.
            clock: the time as that process sees it.
        """
        store = self.store.survivor()
        store.faults = pause
        for server in self.servers:
            server.before_call, server.after_call = (
                (None, pause) if pause.is_late else (pause, None)
            )
        return self.new_service(store=store, clock=clock)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the files of a deployment but its record: path inside its directory → content."""
        start = f"{name}/"
        return {
            key.removeprefix(start): data
            for key, data in self.store.snapshot().items()
            if key.startswith(start) and key != start + RECORD_FILE
        }

    def unfinished(self) -> list[str]:
        """Return the leases and journals that there are: what only an operation under way has."""
        return [key for key in self.store.snapshot() if key.endswith(("@lease", "@journal"))]

    def serves_chain(self, name: str, server: SimulatedTriton | None = None) -> list[bytes]:
        """Return the contents of the models that a request passes through, in their order.

        Args:
            name: a model; one that is no ensemble is one model.
            server: where; the first server if left out.
        """
        asked = server or self.server
        names = asked.composing(name) or (name,)
        chain = [self.serves(part, asked) for part in names]
        return [versions[max(versions)] for versions in chain if versions]

    def serves(self, name: str, server: SimulatedTriton | None = None) -> dict[int, bytes]:
        """Return version → content of the model file that it was loaded from.

        Args:
            name: the model.
            server: where; the first server if left out.
        """
        return {
            version: files[f"{version}/{MODEL_FILE}"]
            for version, files in (server or self.server).served(name).items()
        }


def version_package(
    content: bytes,
    registry_version: int | None = None,
    *,
    user_config: bytes | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> VersionPackage:
    """Return a package of one version, as a flavor makes it.

    Args:
        content: of its one model file; what its first line says steers the simulated load.
        registry_version: the registry's number.
        user_config: a configuration to be deployed byte for byte; a generated one if left out.
        beside: files beside the versions.
    """
    return VersionPackage(
        origin=Origin(f"models:/m/{registry_version or 1}", "onnx", registry_version),
        files={MODEL_FILE: Content(content)},
        config=CONFIG if user_config is None else user_config,
        config_is_verbatim=user_config is not None,
        beside={path: Content(data) for path, data in (beside or {}).items()},
    )


def ensemble_package(
    *contents: bytes, registry_version: int | None = None, more: str = ""
) -> EnsemblePackage:
    """Return an ensemble of models that a request passes through one after another.

    Args:
        contents: of each model's one file; what the first line says steers its simulated load.
        registry_version: the registry's number of the model in the middle.
        more: what its configuration says besides.
    """
    roles = ["preprocess"] * (len(contents) - 1) + ["model"]
    steps = [
        Step(role, replace(version_package(content), config=STEP_CONFIG))
        for role, content in zip(roles, contents, strict=True)
    ]
    origin = Origin(f"models:/m/{registry_version or 1}", "onnx", registry_version)

    def config(names: Sequence[str]) -> bytes:
        tensors = ["IN", *(f"t{number}" for number in range(1, len(names))), "OUT"]
        text = "".join(
            f'step {{ model_name: "{name}" model_version: -1 '
            f'input_map {{ key: "IN" value: "{tensors[number]}" }} '
            f'output_map {{ key: "OUT" value: "{tensors[number + 1]}" }} }}\n'
            for number, name in enumerate(names)
        )
        return f'platform: "ensemble"\n{TENSORS}ensemble_scheduling {{\n{text}}}\n{more}'.encode()

    return EnsemblePackage(origin, tuple(steps), config)


def tree_package(files: Mapping[str, bytes], uri: str = "models:/t/1") -> TreePackage:
    """Return a package that its user laid out: path inside the model's directory → content."""
    return TreePackage(Origin(uri, "triton"), {path: Content(data) for path, data in files.items()})
