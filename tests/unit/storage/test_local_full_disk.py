"""A deployment can be deleted from a disk that is full, which is how one gets out of that."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from triton_deploy_core.errors import StoreUnavailableError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import version_package
from triton_deploy_storage._local.locking import RESERVED_BYTES
from triton_deploy_storage.local import LocalStore

DISK = 2 << 20


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _service(store: LocalStore) -> DeploymentService:
    clock = FakeClock()
    server = SimulatedTriton(store, clock=clock)
    return DeploymentService(store, server, SimpleConfigFormat(), clock=clock)


def _fill(place) -> None:
    with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_deployment_is_deleted_from_a_full_disk(disk):
    store = LocalStore(disk)
    service = _service(store)
    service.create("iris", version_package(b"weights" * 100, 1))
    service.update("iris", version_package(b"others" * 100, 2))
    _fill(disk)
    with pytest.raises(OSError, match="No space"):
        (disk / "probe").write_bytes(b"x" * 4096)
    (disk / "probe").unlink()
    service.delete("iris")
    left = {path.name for path in disk.iterdir()}
    assert left == {"ballast", ".triton-deploy.lock"}
    assert service.list() == []


def test_the_space_is_reserved_again_when_there_is_some(disk):
    lock = disk / ".triton-deploy.lock"
    store = LocalStore(disk)
    store.write("iris/f", b"x")
    assert lock.stat().st_blocks * 512 >= RESERVED_BYTES
    _fill(disk)
    store.write("iris/g", b"y")
    assert store.read("iris/g").data == b"y"
    (disk / "ballast").unlink()
    store.write("iris/h", b"z")
    assert lock.stat().st_blocks * 512 >= RESERVED_BYTES


def test_what_does_not_fit_is_one_line_and_leaves_nothing(disk):
    store = LocalStore(disk)
    store.write("iris/f", b"x")
    with pytest.raises(StoreUnavailableError, match="free some space"):
        store.transfer([Transfer("iris/1/m", Content(b"m" * 2 * DISK))], NoProgress())
    assert [blob.key for blob in store.list("")] == ["iris/f"]
    assert {path.name for path in disk.rglob("*")} == {".triton-deploy.lock", "iris", "f"}


def test_what_a_writer_that_was_killed_left_goes_with_the_next_listing(tmp_path):
    store = LocalStore(tmp_path)
    store.write("iris/1/m", b"x")
    unfinished = tmp_path / "iris" / "1" / f".triton-deploy-{'0a' * 16}.tmp"
    unfinished.write_bytes(b"half")
    service = _service(store)
    service.create("other", version_package(b"w", 1))
    assert unfinished.exists()
    assert [blob.key for blob in store.list("iris/")] == ["iris/1/m"]
    assert not unfinished.exists()
