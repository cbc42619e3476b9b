"""Three real Tritons that read one repository on S3, and the name that they are found by."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from mlflow.deployments import BaseDeploymentClient, get_deploy_client
from mlflow.deployments.cli import commands

from mlflow_triton import flavor as triton_flavor
from triton_deploy_core.errors import DeployError
from triton_deploy_storage.testing_s3 import CREDENTIALS, BucketContent, MotoServer
from triton_deploy_transport import connect
from triton_local_server import LocalTriton, PortInUseError

BUCKET = "models"
PREFIX = "fleet/"
NAME = "triton.fleet.test"
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
WAIT_SECONDS = 30.0  # only a test that fails waits so long

CONFIG = """\
backend: "python"
max_batch_size: 0
input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "ANSWER" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "SERVER" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { kind: KIND_CPU count: 1 }
"""
MODEL = Path(__file__).with_name("model.py")
QUESTION = {"IN": np.zeros(1, np.float32)}


class Zone(BaseResolver):
    """What a name server knows: name → addresses."""

    def __init__(self) -> None:
        self.addresses: dict[str, Sequence[str]] = {}

    def resolve(self, request: DNSRecord, _handler: object) -> DNSRecord:
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            for address in self.addresses.get(str(request.q.qname).rstrip("."), ()):
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address)))
        return reply


@dataclass(frozen=True)
class Finished:
    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        lines = [line for line in self.err.splitlines() if line.startswith("Error:")]
        assert self.status == 1, (self.out, self.err)
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("Error: ")


@dataclass
class Fleet:
    """The servers, numbered from 1, and what stands around them."""

    tritons: list[LocalTriton]
    moto: MotoServer
    zone: Zone
    nameserver: str
    stage: Path
    models: Path
    environment: Mapping[str, str]
    pace: float
    """Seconds that this machine takes now to start three servers: 1.2 where nothing else runs."""
    name: str = NAME
    _frozen: set[int] = field(default_factory=set)

    @property
    def grpc_port(self) -> int:
        return self.tritons[0].ports.grpc

    @property
    def http_port(self) -> int:
        return self.tritons[0].ports.http

    @property
    def all(self) -> tuple[int, ...]:
        return tuple(range(1, len(HOSTS) + 1))

    def host(self, number: int) -> str:
        return self.tritons[number - 1].grpc_url.rpartition(":")[0]

    def grpc(self, number: int) -> str:
        return f"grpc://{self.tritons[number - 1].grpc_url}"

    def http(self, number: int) -> str:
        return self.tritons[number - 1].url

    def named(self, *numbers: int) -> None:
        """Have the name resolve to these servers alone."""
        self.zone.addresses[NAME] = [self.host(number) for number in numbers]

    def model(self, answer: int, version: int = 1) -> str:
        """Save a model that answers just this, as a user would; return its URI."""
        path = self.models / f"{answer}.{version}"
        if not path.exists():
            tree = self.models / f"tree.{answer}.{version}"
            (tree / str(version)).mkdir(parents=True)
            (tree / "config.pbtxt").write_text(CONFIG)
            shutil.copy(MODEL, tree / str(version))
            (tree / str(version) / "answer").write_text(str(answer))
            triton_flavor.save_model(str(tree), path)
        return str(path)

    def client(self, target: str = "triton") -> BaseDeploymentClient:
        return get_deploy_client(target)

    def click(self, command: str, *more: str, target: str = "triton") -> Finished:
        """Run ``mlflow deployments COMMAND`` in this process."""
        done = CliRunner().invoke(commands, [command, "-t", target, *more])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Finished(done.exit_code, done.stdout, done.stderr)

    # What the servers do, on command.

    @contextmanager
    def held(self, answer: int) -> Iterator[None]:
        """Have no load of that model end meanwhile."""
        hold = self.stage / f"hold.{answer}"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    @contextmanager
    def refused(self, answer: int, *, on: int) -> Iterator[None]:
        """Have one server fail to load that model meanwhile."""
        refusal = self.stage / f"refuse.{on}.{answer}"
        refusal.touch()
        try:
            yield
        finally:
            refusal.unlink()

    def seen(self) -> list[tuple[int, str, int]]:
        """What the servers' models told: which server, what, which answer; in that order."""
        path = self.stage / "seen"
        lines = path.read_text().splitlines() if path.exists() else []
        words = (line.split() for line in lines)
        return [(int(server), event, int(answer)) for server, event, answer in words]

    @contextmanager
    def loading(self, answer: int, on: Collection[int] = (), **config: object) -> Iterator[Future]:
        """Update `x` to a model, and enter the block while all these servers load it.

        No load ends before the block does. Yields what the update comes to.
        """
        update = partial(
            self.client().update_deployment, "x", self.model(answer), config=config or None
        )
        with ThreadPoolExecutor(1) as pool, self.held(answer):
            updating = pool.submit(update)
            told = {(number, "loads", answer) for number in on or self.all}
            self.wait_until(
                lambda: updating.done() or told <= set(self.seen()), f"{told} in {self.seen()}"
            )
            if updating.done():
                updating.result()
            yield updating

    @staticmethod
    def wait_until(is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"it never came to {what}"
            time.sleep(0.02)

    def kill(self, number: int) -> None:
        os.kill(self.tritons[number - 1].pid, signal.SIGKILL)

    @property
    def load_seconds(self) -> float:
        """Enough for any load that nothing keeps from ending."""
        return min(max(6.0, 4 * self.pace), 15.0)

    @property
    def request_seconds(self) -> float:
        """Enough for any request to a server that answers."""
        return max(2.0, self.pace)

    def freeze(self, number: int) -> None:
        """Stop the server (SIGSTOP): its connections stay open, and nothing answers."""
        os.kill(self.tritons[number - 1].pid, signal.SIGSTOP)
        self._frozen.add(number)

    def thaw(self) -> None:
        while self._frozen:
            os.kill(self.tritons[self._frozen.pop() - 1].pid, signal.SIGCONT)

    def start(self, number: int) -> None:
        """Start a server that was killed, on its ports, empty."""
        triton = self.tritons[number - 1]
        triton.wait(WAIT_SECONDS)
        triton.start()

    # What there is, past all code of ours that deploys.

    def answers(self, name: str, on: Collection[int] = ()) -> dict[int, int | None]:
        """What each server answers itself, None where it does not serve the model."""
        return {number: self._answer(name, number) for number in on or self.all}

    def _answer(self, name: str, number: int) -> int | None:
        with closing(connect(self.grpc(number), request_timeout=5.0)) as server:
            try:
                outputs = server.infer(name, QUESTION, timeout=5.0)
            except DeployError:
                return None
            assert int(outputs["SERVER"][0]) == number
            return int(outputs["ANSWER"][0])

    def versions(self, name: str, on: Collection[int] = ()) -> dict[int, set[int]]:
        found = {}
        for number in on or self.all:
            with closing(connect(self.grpc(number), request_timeout=5.0)) as server:
                found[number] = set(server.ready_versions(name))
        return found

    def ready(self, on: Collection[int] = ()) -> set[int]:
        """Which servers say that they are ready."""
        found = set()
        for number in on or self.all:
            with closing(connect(self.grpc(number), request_timeout=5.0)) as server:
                if server.is_ready():
                    found.add(number)
        return found

    def objects(self) -> dict[str, bytes]:
        """Everything in the repository, but what is known of the files' bytes."""
        found = BucketContent(self.moto.client(), BUCKET).read()
        assert found.pop(PREFIX) == b""
        return {
            key.removeprefix(PREFIX): data
            for key, data in found.items()
            if not key.endswith(".@digests")
        }

    def empty_bucket(self) -> None:
        client = self.moto.client()
        BucketContent(client, BUCKET).remove()
        # Triton does not start where nothing is below its prefix.
        client.put_object(Bucket=BUCKET, Key=PREFIX, Body=b"")

    def bookkeeping(self) -> set[str]:
        """Which files of operations there are: none where all is done."""
        return {key for key in self.objects() if key.startswith(".")}

    def assert_serves(
        self,
        name: str,
        answer: int | None,
        version: int = 1,
        *,
        on: Collection[int] = (),
        left: Collection[str] = (),
    ) -> None:
        """Just this serves on these servers, they are ready, and no file of an operation is left.

        An answer of None: nothing serves.
        """
        numbers = tuple(on or self.all)
        serving = set() if answer is None else {version}
        assert self.answers(name, numbers) == dict.fromkeys(numbers, answer)
        assert self.versions(name, numbers) == dict.fromkeys(numbers, serving)
        assert self.ready(numbers) == set(numbers)
        assert self.bookkeeping() == set(left)


@pytest.fixture(scope="session")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    stage = tmp_path_factory.mktemp("stage")
    with ExitStack() as stack:
        moto = stack.enter_context(MotoServer())
        moto.client().create_bucket(Bucket=BUCKET)
        moto.client().put_object(Bucket=BUCKET, Key=PREFIX, Body=b"")
        zone = Zone()
        nameserver = stack.enter_context(serving_names(zone))
        repository = f"s3://{moto.endpoint}/{BUCKET}/{PREFIX}".rstrip("/")
        began = time.monotonic()
        tritons = stack.enter_context(alike(repository, stage))
        yield Fleet(
            tritons,
            moto,
            zone,
            nameserver,
            stage,
            tmp_path_factory.mktemp("models"),
            {**CREDENTIALS, "TRITON_MODEL_REPO": repository, "TRITON_NAMESERVER": nameserver},
            time.monotonic() - began,
        )
    assert processes_of(stage) == []


def processes_of(stage: Path) -> list[str]:
    """The command lines of servers and stubs that write there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if f"FLEET_STAGE={stage}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


@contextmanager
def serving_names(zone: Zone) -> Iterator[str]:
    """A name server on a free port; yields where it answers."""
    quiet = DNSLogger(logf=lambda _: None)
    server = DNSServer(zone, address="127.0.0.1", port=0, logger=quiet)
    server.start_thread()
    try:
        yield f"127.0.0.1:{server.server.server_address[1]}"
    finally:
        server.server.shutdown()
        server.server.server_close()
        server.thread.join()


@contextmanager
def alike(repository: str, stage: Path) -> Iterator[list[LocalTriton]]:
    """Servers on addresses of their own, each with the same ports, as the pods of a service."""
    for attempt in range(5):
        with ExitStack() as stack:
            tritons: list[LocalTriton] = []
            try:
                for number, host in enumerate(HOSTS, 1):
                    first = tritons[0].ports if tritons else None
                    tritons.append(
                        stack.enter_context(
                            LocalTriton(
                                repository,
                                host=host,
                                http_port=first and first.http,
                                grpc_port=first and first.grpc,
                                env={
                                    **CREDENTIALS,
                                    "FLEET_SERVER": str(number),
                                    "FLEET_STAGE": str(stage),
                                },
                                exit_timeout=0,
                                disable_auto_complete=True,
                            )
                        )
                    )
            except PortInUseError:  # on one of the other addresses
                if attempt == 4:
                    raise
                continue
            yield tritons
            return


@pytest.fixture
def fleet(shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """The servers, all up, empty and ready, with the environment set to the name of all three."""
    site = shared_fleet
    surroundings = {
        **site.environment,
        "TRITON_URL": f"dns+grpc://{NAME}:{site.grpc_port}",
        "TRITON_TIMEOUT": "60",
        "TRITON_REQUEST_TIMEOUT": "30",
    }
    for key, value in surroundings.items():
        monkeypatch.setenv(key, value)
    site.named(*site.all)
    yield site
    for key, value in surroundings.items():
        monkeypatch.setenv(key, value)
    site.thaw()
    site.named(*site.all)
    for number, triton in enumerate(site.tritons, 1):
        if not triton.is_running:
            site.start(number)
    client = site.client()
    client.repair_deployments()
    for deployment in client.list_deployments():
        client.delete_deployment(deployment["name"])
    shutil.rmtree(site.models)
    site.models.mkdir()
    (site.stage / "seen").unlink(missing_ok=True)
    left = site.objects()
    site.empty_bucket()
    assert left == {}
    assert site.ready() == set(site.all)
