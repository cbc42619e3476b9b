"""Laws 4 and 6 on services: every request of an operation meets every fault of a network."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from triton_deploy_core.errors import DeployError, PreconditionFailedError
from triton_deploy_core.lease import LEASE_SECONDS, LeaseRecord
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import (
    BlobStore,
    Content,
    IfAbsent,
    IfUnchanged,
    StoredBlob,
    Transfer,
)
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing import FakeClock, SimpleConfigFormat, SimulatedTriton
from triton_deploy_core.testing.world import version_package
from triton_deploy_storage.testing_faults import EveryRequestOnce, FaultSite, Staying
from triton_deploy_storage.testing_gcs import GcsFaultSite, GcsServer
from triton_deploy_storage.testing_proxy import Break, FaultProxy, OnNth, Request
from triton_deploy_storage.testing_s3 import CREDENTIALS, MotoServer, S3FaultSite

OLD, NEW = b"old weights", b"new weights"
OTHER = {"iris2/config.pbtxt": b'backend: "onnxruntime"\n', "iris2/1/model.onnx": b"other"}
OPERATIONS = ("create", "update", "delete")
KINDS = 6
PARTS = b"p" * (12 << 20)


class FakeAges:
    """A store whose files get older by a fake clock, whatever wrote them."""

    def __init__(self, store: BlobStore, clock: FakeClock, written: dict[str, float]) -> None:
        self._store = store
        self._clock = clock
        self._written = written

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, key: str, data: bytes, **how: object) -> str:
        before = self._written.get(key, 0.0)
        self._written[key] = self._clock.monotonic()
        try:
            return self._store.write(key, data, **how)
        except PreconditionFailedError:
            self._written[key] = before
            raise

    def age(self, key: str) -> float:
        self._store.age(key)
        return self._clock.monotonic() - self._written[key]


class Stage:
    """A site, a server that reads it around the proxy, and the service between them."""

    def __init__(self, site: FaultSite, clock: FakeClock) -> None:
        self.site = site
        self.clock = clock
        site.proxy.rule = None
        site.seed(OTHER)
        self.written: dict[str, float] = {}
        self.server = SimulatedTriton(site.direct, clock=clock)
        self.service = self._service(site.store)
        self.hasty = self._service(site.hasty)

    def _service(self, store: BlobStore) -> DeploymentService:
        aging = FakeAges(store, self.clock, self.written)
        return DeploymentService(aging, self.server, SimpleConfigFormat(), clock=self.clock)

    def deployed(self) -> dict[str, bytes]:
        """Make a deployment of the old weights, and return all files."""
        self.service.create("iris", version_package(OLD, 1))
        return self.site.snapshot()

    def set_up(self, files: dict[str, bytes]) -> None:
        self.site.proxy.rule = None
        self.site.seed(files)
        self.server.restart()
        if any(key.startswith("iris/") for key in files):
            self.server.load("iris", timeout=10)

    def run(self, operation: str, service: DeploymentService | None = None) -> None:
        service = service or self.service
        if operation == "delete":
            service.delete("iris")
        else:
            act = service.create if operation == "create" else service.update
            act("iris", version_package(NEW, 2))

    def serves(self) -> set[bytes]:
        return {
            data
            for files in self.server.served("iris").values()
            for path, data in files.items()
            if path.endswith("model.onnx")
        }


@contextmanager
def s3_site(request, clock: FakeClock) -> Iterator[FaultSite]:
    moto: MotoServer = request.getfixturevalue("moto")
    with pytest.MonkeyPatch.context() as patch, FaultProxy(moto.endpoint) as proxy:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        # The library waits before it asks again, and does so no more after many failures.
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        yield S3FaultSite(moto, proxy, f"faults-{uuid.uuid4().hex}", clock)


@contextmanager
def gcs_site(request, _: FakeClock) -> Iterator[FaultSite]:
    gcs: GcsServer = request.getfixturevalue("gcs")
    with FaultProxy(gcs.endpoint) as proxy:
        site = GcsFaultSite(gcs, proxy, f"faults-{uuid.uuid4().hex}")
        yield site
        site.close()


@pytest.fixture(scope="module", params=[s3_site, gcs_site], ids=["s3", "gs"])
def stage(request) -> Iterator[Stage]:
    clock = FakeClock()
    with request.param(request, clock) as site:
        yield Stage(site, clock)


@pytest.fixture(scope="module")
def deployed(stage: Stage) -> dict[str, bytes]:
    return stage.deployed()


@pytest.mark.parametrize("start", range(KINDS))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_faults_that_pass_are_got_over(stage, deployed, operation, start):
    """Each request meets one of the faults, and over all starts every one of them."""
    stage.set_up(OTHER if operation == "create" else deployed)
    stage.run(operation)
    done = stage.site.snapshot()
    stage.set_up(OTHER if operation == "create" else deployed)
    rule = stage.site.proxy.rule = EveryRequestOnce(stage.site.faults, start)
    stage.run(operation)
    assert len(rule.hit) > 10
    assert _without_times(stage.site.snapshot()) == _without_times(done)
    assert stage.serves() == (set() if operation == "delete" else {NEW})
    stage.clock.advance(5)
    assert stage.server.is_ready()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_a_fault_that_stays_leaves_is_all_or_nothing(stage, deployed, operation):
    """One request fails, by whichever library it is made; those after it don't."""
    before = OTHER if operation == "create" else deployed
    for fault in stage.site.refusals:
        # Of a request that changes nothing, it is all the same whether the service saw it.
        rule = Staying(fault, when=_changes if fault is Break.AFTER else _any)
        while True:
            stage.set_up(before)
            stage.site.proxy.rule = rule
            failed = None
            try:
                stage.run(operation, stage.hasty)
            except DeployError as error:
                failed = error
            stage.site.proxy.rule = None
            if not rule.hit:
                break
            where = f"{operation}, {fault} at {rule.hit[0]}: {failed}"
            _check_outcome(stage, before, operation, failed is not None, where)
            _check_next(stage, where)
            rule = rule.next()


def _any(request: Request) -> bool:
    return True


def _changes(request: Request) -> bool:
    return request.method not in {"GET", "HEAD"}


def _check_outcome(stage, before, operation, failed, where) -> None:
    after = stage.site.snapshot()
    served = stage.serves()
    done = (_models(OTHER), set()) if operation == "delete" else None
    if not failed and operation != "delete":
        assert served == {NEW}, where
    elif not failed or (done and ".iris.@journal" not in after and served == set()):
        # Where only the answer to the very last request was lost, all is done.
        assert (_models(after), served) == done, where
    elif ".iris.@journal" not in after:
        assert _models(after) == _models(before), where
        assert served == ({OLD} if before is not OTHER else set()), where


def _check_next(stage, where) -> None:
    """What is left blocks the next operation for no longer than a lease lasts."""
    left = stage.site.snapshot()
    if not any(key.startswith(".") for key in left):
        return
    if ".iris.@journal" in left:
        lease = LeaseRecord.decode(left[".iris.@journal"], DeploymentName("iris"))
        assert lease.until <= stage.clock.now() + LEASE_SECONDS, where
        stage.clock.advance(LEASE_SECONDS)
    stage.service.delete("iris")
    assert stage.site.snapshot() == OTHER, where
    assert stage.serves() == set(), where


@pytest.mark.parametrize("start", range(KINDS))
def test_large_objects_get_over_faults(stage, start):
    stage.set_up({})
    stage.site.proxy.rule = EveryRequestOnce(stage.site.faults, start)
    stage.site.store.transfer([Transfer("a/1/m", Content(PARTS))], NoProgress())
    source = StoredBlob("a/1/m", len(PARTS))
    stage.site.store.transfer([Transfer("a/2/m", source), Transfer("a/3/m", source)], NoProgress())
    stage.site.proxy.rule = None
    assert stage.site.snapshot() == {f"a/{number}/m": PARTS for number in (1, 2, 3)}


def test_a_large_object_is_there_whole_or_not_at_all(stage):
    for nth in range(1, 6):
        for fault in stage.site.refusals:
            stage.set_up({})
            rule = stage.site.proxy.rule = Staying(fault, nth=nth)
            with suppress(DeployError):
                stage.site.hasty.transfer([Transfer("a/1/m", Content(PARTS))], NoProgress())
            stage.site.proxy.rule = None
            assert stage.site.snapshot() in ({}, {"a/1/m": PARTS}), rule.hit


def test_a_write_of_which_the_answer_is_lost_has_won(stage):
    """And one that finds the same content from somebody else has not."""
    stage.set_up({"a/f": b"same"})
    store = stage.site.store
    for fault in stage.site.faults:
        stage.site.seed({"a/f": b"same"})
        stage.site.proxy.rule = OnNth(fault, when=_changes)
        tag = store.write("a/g", b"new", condition=IfAbsent())
        stage.site.proxy.rule = OnNth(fault, when=_changes)
        tag = store.write("a/g", b"newer", condition=IfUnchanged(tag))
        assert store.read("a/g").etag == tag
        for wrong in (IfAbsent(), IfUnchanged(tag)):
            stage.site.proxy.rule = OnNth(fault, when=_changes)
            with pytest.raises(PreconditionFailedError):
                store.write("a/f", b"same", condition=wrong)
        stage.site.proxy.rule = None
        assert stage.site.snapshot() == {"a/f": b"same", "a/g": b"newer"}


def _models(files: dict[str, bytes]) -> dict[str, bytes]:
    return {key: data for key, data in files.items() if not key.startswith(".")}


def _without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    return _models(files) | {key: b"" for key in files if key.startswith(".")}
