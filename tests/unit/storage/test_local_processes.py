"""Several processes at one repository, and processes that die."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, LocalFile, Transfer
from triton_deploy_storage.local import LocalStore

COUNT = """
import sys
from triton_deploy_core.errors import PreconditionFailedError
from triton_deploy_core.ports.store import IfAbsent, IfUnchanged
from triton_deploy_storage.local import LocalStore
store = LocalStore(sys.argv[1])
try:
    store.write(".winner", sys.argv[2].encode(), condition=IfAbsent())
    print("won")
except PreconditionFailedError:
    pass
done = 0
while done < 25:
    found = store.read(".counter")
    try:
        store.write(".counter", b"%d" % (int(found.data) + 1), condition=IfUnchanged(found.etag))
        done += 1
    except PreconditionFailedError:
        pass
"""

WRITE = """
import sys
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_storage.local import LocalStore
store = LocalStore(sys.argv[1])
print("go", flush=True)
while True:
    for letter in (b"a", b"b"):
        store.write("iris/config.pbtxt", letter * 3_000_000)
        store.transfer([Transfer("iris/1/m", Content(letter * 3_000_000))], NoProgress())
"""

LEAVE = """
import os, sys
from triton_deploy_storage._local.staging import create
os.write(create(sys.argv[1], 0o666).descriptor, b"half")
os.kill(os.getpid(), 9)
"""


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_of_many_processes_one_wins_each_time(root: Path, store: LocalStore) -> None:
    store.write(".counter", b"0")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, root, str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(outputs) == ["", "", "", "won\n"]
    assert store.read(".winner").data == str(outputs.index("won\n")).encode()
    assert store.read(".counter").data == b"100"


@pytest.mark.parametrize("pause", [0.0, 0.011, 0.023, 0.042, 0.067])
def test_a_killed_writer_leaves_the_old_or_the_new(
    root: Path, store: LocalStore, pause: float
) -> None:
    whole = {letter * 3_000_000 for letter in (b"a", b"b", b"o")}
    store.write("iris/config.pbtxt", b"o" * 3_000_000)
    store.write("iris/1/m", b"o" * 3_000_000)
    with subprocess.Popen([sys.executable, "-c", WRITE, root], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(timeout=pause)
        except subprocess.TimeoutExpired:
            process.kill()
    assert [blob.key for blob in store.list("")] == ["iris/1/m", "iris/config.pbtxt"]
    assert store.read("iris/config.pbtxt").data in whole
    assert store.read("iris/1/m").data in whole
    store.delete(blob.key for blob in store.list("iris/"))
    assert names_in(root) == [".triton-deploy.lock"]


def leave_unfinished(directory: Path) -> None:
    subprocess.run([sys.executable, "-c", LEAVE, directory], check=False, timeout=60)
    assert any(name.endswith(".tmp") for name in names_in(directory))


def test_the_next_writer_clears_away_what_a_dead_one_left(root: Path, store: LocalStore) -> None:
    (root / "iris").mkdir()
    for directory in (root, root / "iris"):
        leave_unfinished(directory)
    store.write("iris/f", b"x")
    store.transfer([Transfer(".f", Content(b""))], NoProgress())
    assert names_in(root / "iris") == ["f"]
    assert names_in(root) == [".f", ".triton-deploy.lock", "iris"]


def test_a_directory_with_nothing_but_what_a_dead_one_left_is_empty(
    root: Path, store: LocalStore
) -> None:
    (root / "iris" / "1").mkdir(parents=True)
    leave_unfinished(root / "iris" / "1")
    keys = [blob.key for blob in store.list("iris/")]
    assert keys == ["iris/1/"]
    store.delete(keys)
    assert list(store.directories()) == []


class Meanwhile(NoProgress):
    """Another process's work, right in the middle of a transfer."""

    def __init__(self, store: LocalStore) -> None:
        self.store = store

    def advance(self, size: int) -> None:
        self.store.write("iris/1/other", b"x")
        self.store.delete(blob.key for blob in self.store.list("iris/"))


def test_an_unfinished_file_of_a_living_writer_is_left_alone(
    tmp_path: Path, root: Path, store: LocalStore
) -> None:
    (tmp_path / "m").write_bytes(bytes(20_000_000))
    transfers = [Transfer("iris/1/m", LocalFile(tmp_path / "m", 20_000_000))]
    store.transfer(transfers, Meanwhile(LocalStore(root)))
    assert [(blob.key, blob.size) for blob in store.list("")] == [("iris/1/m", 20_000_000)]
    assert names_in(root / "iris" / "1") == ["m"]
