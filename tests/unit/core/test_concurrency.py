"""Law 6 with real threads: of operations at once one wins, and the end is consistent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from triton_deploy_core.clock import SystemClock
from triton_deploy_core.errors import (
    DeploymentBusyError,
    DeploymentExistsError,
    DeploymentNotFoundError,
)
from triton_deploy_core.service import DeploymentService
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulator import SimulatedTriton
from triton_deploy_core.testing.world import tree_package, version_package

THREADS = 30
EXPECTED = (DeploymentBusyError, DeploymentExistsError, DeploymentNotFoundError)


def _system() -> tuple[MemoryStore, SimulatedTriton, DeploymentService]:
    store, clock = MemoryStore(), SystemClock()
    server = SimulatedTriton(store, clock=clock, unload_seconds=0.001)
    return store, server, DeploymentService(store, server, SimpleConfigFormat(), clock=clock)


@contextmanager
def _noting(caught: list[type[Exception]]) -> Iterator[None]:
    try:
        yield
    except EXPECTED as error:
        caught.append(type(error))


def test_thirty_writers_of_one_name():
    store, server, service = _system()
    start = threading.Barrier(THREADS)

    def work(number: int) -> list[type[Exception]]:
        content = b"weights %d" % number
        tree = {"config.pbtxt": b'backend: "x"\n', "1/model.onnx": content}
        acts = [
            lambda: service.create("iris", version_package(content, number)),
            lambda: service.update("iris", version_package(content, number)),
            lambda: service.update("iris", tree_package(tree)),
            lambda: service.delete("iris"),
            lambda: service.get("iris"),
            service.list,
        ]
        caught: list[type[Exception]] = []
        start.wait(timeout=30)
        for turn in range(12):
            with _noting(caught):
                acts[(number + turn) % len(acts)]()
        return caught

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(work, range(1, THREADS + 1)))
    assert any(DeploymentBusyError in caught for caught in results)
    assert not any(key.endswith(("@lease", "@journal")) for key in store.snapshot())
    served = server.served("iris")
    assert bool(served) == service.has("iris") == bool(store.snapshot())
    for number, files in served.items():
        key = f"{number}/model.onnx"
        assert store.snapshot()[f"iris/{key}"] == files[key]
    service.delete("iris")
    assert store.snapshot() == {}


def test_thirty_names_at_once_do_not_get_in_each_others_way():
    store, server, service = _system()

    def work(number: int) -> None:
        name = f"iris{number}"
        service.create(name, version_package(b"one", 1))
        service.update(name, version_package(b"two", 2))
        if number % 2:
            service.delete(name)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    expected = {f"iris{number}" for number in range(0, THREADS, 2)}
    assert {item.name for item in service.list()} == expected
    assert {name for name, _ in server.loaded()} == expected
    assert not any(key.endswith(("@lease", "@journal")) for key in store.snapshot())


def test_hundreds_of_names_are_listed():
    store, server, service = _system()
    for number in range(400):
        store.seed(
            {
                f"m{number}/1/model.onnx": b"x",
                f"m{number}/mlflow-meta.json": b'{"name": "m%d", "flavor": "onnx"}' % number,
                f"theirs{number}/1/model.onnx": b"x",
            }
        )
        server.load(f"m{number}", timeout=5)
    listed = [item.name for item in service.list()]
    assert listed == sorted(f"m{number}" for number in range(400))


def test_a_reader_never_takes_a_create_in_progress_for_somebody_elses_directory():
    _, _, service = _system()
    done = threading.Event()
    found: list[str] = []

    def read() -> None:
        while not done.is_set():
            with suppress(DeploymentNotFoundError):
                found.append(service.get("iris").name)

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for _ in range(30):
            service.create("iris", version_package(b"one"))
            service.delete("iris")
        done.set()
        for reader in readers:
            reader.result(timeout=30)
    assert set(found) <= {"iris"}
