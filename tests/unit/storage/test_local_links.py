"""Symbolic links: read within the root, never followed out of it, never written through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from triton_deploy_core.errors import BlobNotFoundError, ModelSourceError, StoreAccessError
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, StoredBlob, Transfer
from triton_deploy_storage.local import LocalStore


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_bytes(b"secret")
    return directory


def test_the_root_itself_may_be_a_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    store = LocalStore(tmp_path / "link")
    store.check()
    store.write("iris/f", b"x")
    assert store.read("iris/f").data == b"x"
    assert [blob.key for blob in store.list("")] == ["iris/f"]
    store.delete(["iris/f"])
    assert (tmp_path / "link").is_symlink()


def test_a_link_that_stays_in_the_root_is_read(root: Path, store: LocalStore) -> None:
    tag = store.write("iris/1/m", b"data")
    (root / "iris" / "2").symlink_to("1")
    (root / "iris" / "current").symlink_to(root / "iris" / "1" / "m")
    assert store.read("iris/2/m").data == b"data"
    assert store.read("iris/current").etag == tag
    listed = {blob.key: (blob.size, blob.etag) for blob in store.list("iris/")}
    assert sorted(listed) == ["iris/1/m", "iris/2", "iris/current"]
    assert listed["iris/current"] == (4, tag)


@pytest.mark.parametrize("key", ["iris/file", "iris/directory/secret", "iris/deep/secret"])
def test_a_link_that_leads_out_is_not_read(
    root: Path, store: LocalStore, outside: Path, key: str
) -> None:
    (root / "iris").mkdir()
    (root / "iris" / "file").symlink_to(outside / "secret")
    (root / "iris" / "directory").symlink_to(outside)
    (root / "iris" / "deep").symlink_to("directory")
    with pytest.raises(StoreAccessError, match="link"):
        store.read(key)
    with pytest.raises(ModelSourceError, match="link"):
        store.transfer([Transfer("copy", StoredBlob(key, 6))], NoProgress())
    assert not (root / "copy").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.write("iris/1/secret", b"mine"),
        lambda store: store.transfer([Transfer("iris/1/x", Content(b"x"))], NoProgress()),
        lambda store: store.transfer([Transfer("iris/1/x/", Content(b""))], NoProgress()),
        lambda store: store.delete(["iris/1/secret"]),
    ],
)
@pytest.mark.parametrize("within", [True, False])
def test_nothing_is_changed_behind_a_link(
    root: Path,
    store: LocalStore,
    outside: Path,
    change: Callable[[LocalStore], None],
    within: bool,
) -> None:
    store.write("other/1/secret", b"secret")
    (root / "iris").mkdir()
    (root / "iris" / "1").symlink_to(root / "other" / "1" if within else outside)
    with pytest.raises(StoreAccessError, match="symbolic link"):
        change(store)
    for directory in (outside, root / "other" / "1"):
        assert [path.name for path in directory.iterdir()] == ["secret"]
        assert (directory / "secret").read_bytes() == b"secret"


def test_a_link_is_listed_and_deleted_as_a_file(
    root: Path, store: LocalStore, outside: Path
) -> None:
    store.write("iris2/1/m", b"x")
    (root / "iris").mkdir()
    (root / "iris" / "out").symlink_to(outside)
    (root / "iris" / "file").symlink_to(outside / "secret")
    (root / "iris" / "gone").symlink_to("nowhere")
    (root / "iris" / "loop").symlink_to("loop")
    (root / "iris" / "up").symlink_to("..")
    (root / "iris" / "neighbour").symlink_to("../iris2")
    listed = [blob.key for blob in store.list("iris/")]
    assert listed == sorted(f"iris/{path.name}" for path in (root / "iris").iterdir())
    assert list(store.list("iris/out/")) == []
    for name in ("gone", "loop", "up"):
        with pytest.raises((BlobNotFoundError, StoreAccessError)):
            store.read(f"iris/{name}")
    store.delete(listed)
    assert [blob.key for blob in store.list("")] == ["iris2/1/m"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_link_in_the_root_is_a_model_to_triton_and_nothing_to_us(
    root: Path, store: LocalStore, outside: Path
) -> None:
    (root / "iris").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "gone").symlink_to("nowhere")
    assert list(store.directories()) == ["iris"]
    with pytest.raises(StoreAccessError):
        store.write("iris/config.pbtxt", b"")


def test_a_link_is_replaced_not_written_through(
    root: Path, store: LocalStore, outside: Path
) -> None:
    (root / "f").symlink_to(outside / "secret")
    store.write("f", b"mine")
    assert not (root / "f").is_symlink()
    assert store.read("f").data == b"mine"
    assert (outside / "secret").read_bytes() == b"secret"
