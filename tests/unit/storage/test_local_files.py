"""What only a file system has: permissions, other kinds of files, things in the way, limits."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from triton_deploy_core.errors import (
    BlobNotFoundError,
    ModelSourceError,
    RepositoryNotFoundError,
    StoreAccessError,
    StoreUnavailableError,
)
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, LocalFile, StoredObject, Transfer
from triton_deploy_storage._local.locking import exclusive
from triton_deploy_storage.local import LocalStore

MEGABYTE = 2**20


def everything(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def strangers_root() -> Iterator[Path]:
    """A repository of somebody else, to whom permissions apply even where tests run as root."""
    with TemporaryDirectory() as name:
        root = Path(name) / "models"
        (root / "iris").mkdir(parents=True)
        (root / "iris" / "f").write_bytes(b"x")
        for path in (Path(name), root, root / "iris"):
            path.chmod(0o555)
        privileged = os.geteuid() == 0
        if privileged:
            os.seteuid(65534)
        yield root
        if privileged:
            os.seteuid(0)
        for path in (Path(name), root, root / "iris"):
            path.chmod(0o755)


@pytest.mark.parametrize(("mask", "file", "directory"), [(0o022, 0o644, 0o755), (0, 0o666, 0o777)])
def test_the_umask_decides_on_permissions(
    root: Path, store: LocalStore, mask: int, file: int, directory: int
) -> None:
    with umask(mask):
        store.write("iris/f", b"")
        store.transfer([Transfer("iris/1/g", Content(b""))], NoProgress())
    for name in ("iris/f", "iris/1/g", ".triton-deploy.lock"):
        assert stat.S_IMODE((root / name).stat().st_mode) == file
    for name in ("iris", "iris/1"):
        assert stat.S_IMODE((root / name).stat().st_mode) == directory


def test_an_executable_file_stays_one(tmp_path: Path, root: Path, store: LocalStore) -> None:
    (tmp_path / "run").write_bytes(b"#!")
    (tmp_path / "run").chmod(0o700)
    with umask(0o022):
        store.transfer([Transfer("iris/run", LocalFile(tmp_path / "run", 2))], NoProgress())
    assert stat.S_IMODE((root / "iris" / "run").stat().st_mode) == 0o755


def test_a_read_only_repository_is_refused(strangers_root: Path) -> None:
    store = LocalStore(strangers_root)
    assert store.read("iris/f").data == b"x"
    assert [blob.key for blob in store.list("")] == ["iris/f"]
    with pytest.raises(StoreAccessError, match="permission"):
        store.check()
    with pytest.raises(StoreAccessError, match="permission"):
        store.write("iris/f", b"y")
    with pytest.raises(StoreAccessError, match="permission"):
        store.transfer([Transfer("new/1/f", Content(b""))], NoProgress())
    with pytest.raises(StoreAccessError, match="permission"):
        store.delete(["iris/f"])
    assert everything(strangers_root) == ["iris", "iris/f"]


def test_a_file_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalStore(tmp_path / "file")
    for call in (store.check, lambda: store.read("f"), lambda: store.write("f", b"")):
        with pytest.raises(RepositoryNotFoundError, match="create it"):
            call()


def test_the_check_leaves_no_trace(root: Path, store: LocalStore) -> None:
    (root / "iris").mkdir()
    before = [path.stat() for path in (root, root / "iris")]
    store.check()
    after = [path.stat() for path in (root, root / "iris")]
    assert [(one.st_mtime_ns, one.st_ctime_ns) for one in before] == [
        (one.st_mtime_ns, one.st_ctime_ns) for one in after
    ]
    assert everything(root) == ["iris"]


def test_a_file_in_the_way_of_a_directory_is_told_of(root: Path, store: LocalStore) -> None:
    store.write("iris", b"a file")
    store.write("dir/f", b"x")
    before = everything(root)
    for key in ("iris/f", "iris/1/f", "dir"):
        with pytest.raises(StoreAccessError, match="in the way"):
            store.write(key, b"x")
        with pytest.raises(StoreAccessError, match="in the way"):
            store.transfer([Transfer(key, Content(b""))], NoProgress())
    with pytest.raises(StoreAccessError, match="in the way"):
        store.transfer([Transfer("iris/", Content(b""))], NoProgress())
    assert everything(root) == before


def test_a_name_that_is_too_long_is_told_of(root: Path, store: LocalStore) -> None:
    long = "n" * 256
    with pytest.raises(BlobNotFoundError):
        store.read(f"{long}/f")
    store.delete([long, f"{long}/f"])
    for key in (long, f"iris/{long}", f"{long}/f"):
        with pytest.raises(StoreAccessError, match="shorter"):
            store.write(key, b"x")
    assert everything(root) == [".triton-deploy.lock"]


def test_a_named_pipe_is_no_file(tmp_path: Path, root: Path, store: LocalStore) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(BlobNotFoundError):
        store.read("pipe")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelSourceError, match="not a file"):
        store.transfer([Transfer("f", LocalFile(tmp_path / "pipe", 0))], NoProgress())
    store.delete(blob.key for blob in store.list(""))
    assert list(store.list("")) == []


def test_a_name_in_another_encoding_is_listed_and_deleted(root: Path, store: LocalStore) -> None:
    (root / "iris").mkdir()
    (root / os.fsdecode(b"iris/\xff\xfe")).write_bytes(b"x")
    keys = [blob.key for blob in store.list("iris/")]
    assert store.read(keys[0]).data == b"x"
    store.delete(keys)
    assert list(store.directories()) == []


@pytest.mark.parametrize(
    "key",
    [
        ".triton-deploy.lock",
        f"iris/.triton-deploy-{'0' * 32}.tmp",
        f".triton-deploy-{'a' * 32}.tmp/f",
    ],
)
def test_the_stores_own_names_are_refused(store: LocalStore, key: str) -> None:
    for call in (
        lambda: store.read(key),
        lambda: store.write(key, b""),
        lambda: store.delete([key]),
        lambda: store.transfer([Transfer(key, Content(b""))], NoProgress()),
    ):
        with pytest.raises(ValueError, match="itself"):
            call()


def test_a_file_larger_than_the_limit_leaves_nothing(
    tmp_path: Path, root: Path, store: LocalStore
) -> None:
    store.write("iris/f", b"old")
    before = everything(root)
    (tmp_path / "large").write_bytes(bytes(MEGABYTE))
    source = LocalFile(tmp_path / "large", MEGABYTE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for key in ("iris/f", "new/1/f"):
            with pytest.raises(StoreUnavailableError, match="limit"):
                store.write(key, bytes(MEGABYTE))
            with pytest.raises(StoreUnavailableError, match="limit"):
                store.transfer([Transfer(key, source)], NoProgress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything(root) == before
    assert store.read("iris/f").data == b"old"


class TruncateSource(NoProgress):
    def __init__(self, path: Path) -> None:
        self.path = path

    def advance(self, size: int) -> None:
        os.truncate(self.path, 10)


class GrowSource(TruncateSource):
    def advance(self, size: int) -> None:
        with self.path.open("ab") as file:
            file.write(b"more")


@pytest.mark.parametrize("change", [TruncateSource, GrowSource])
def test_a_source_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, root: Path, store: LocalStore, change: type[TruncateSource]
) -> None:
    store.write("iris/1/m", b"old")
    before = everything(root)
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(20 * MEGABYTE))
    source = LocalFile(path, 20 * MEGABYTE)
    with pytest.raises(ModelSourceError, match="changed"):
        store.transfer([Transfer("iris/1/m", source)], change(path))
    assert everything(root) == before
    assert store.read("iris/1/m").data == b"old"


def test_memory_does_not_grow_with_the_file(tmp_path: Path, store: LocalStore) -> None:
    size = 200 * MEGABYTE
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        source = LocalFile(tmp_path / "large", size)
        store.transfer([Transfer("iris/1/m", source)], NoProgress())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize("uri", ["file://elsewhere/f", "s3://bucket/f", "relative", "file:"])
def test_objects_elsewhere_are_not_copied(store: LocalStore, uri: str) -> None:
    with pytest.raises(ModelSourceError):
        store.transfer([Transfer("f", StoredObject(uri, 1))], NoProgress())


def test_a_source_that_tells_no_size_is_refused(store: LocalStore) -> None:
    # Files of procfs have no size, and content nevertheless.
    source = LocalFile(Path("/proc/self/status"), 0)
    with pytest.raises(ModelSourceError, match="changed"):
        store.transfer([Transfer("f", source)], NoProgress())


def test_waiting_for_the_lock_ends(root: Path, store: LocalStore) -> None:
    store.write("f", b"old")
    with (root / ".triton-deploy.lock").open("wb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with (
            pytest.raises(StoreUnavailableError, match="locked by another process"),
            exclusive(str(root), patience=0.02),
        ):
            pass
    with exclusive(str(root), patience=0.02):
        pass


def test_a_file_of_another_file_system_is_copied(root: Path, store: LocalStore) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == root.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    with TemporaryDirectory(dir=shared) as name:
        source = Path(name) / "model.onnx"
        source.write_bytes(os.urandom(10 * MEGABYTE))
        transfers = [Transfer("iris/1/m", LocalFile(source, 10 * MEGABYTE))]
        store.transfer(transfers, NoProgress())
        assert store.read("iris/1/m").data == source.read_bytes()
