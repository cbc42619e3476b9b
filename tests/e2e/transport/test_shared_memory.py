"""Large tensors to a real server of this machine, through its shared memory and by the wire."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from triton_deploy_core.clock import Deadline, SystemClock
from triton_deploy_core.datatypes import NUMPY_DTYPES
from triton_deploy_core.errors import ServerTimeoutError
from triton_deploy_transport import connect
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triton_deploy_core.ports.server import InferenceServer

NUMBERS = [name for name in NUMPY_DTYPES if name != "BYTES"]
SIDE = 1024
ECHO = """\
import time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            wait, rows = arrays.pop("WAIT_ROWS")
            time.sleep(wait)
            outputs = [pb_utils.Tensor(f"OUT_{name}", array) for name, array in arrays.items()]
            outputs.append(pb_utils.Tensor("ROWS", np.zeros((rows, 1024), np.float32)))
            outputs.append(pb_utils.Tensor("TEXT", np.array([b"text"], np.object_)))
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""


def config() -> str:
    tensors = [
        f'input {{ name: "{name}" data_type: TYPE_{name} dims: [ -1, -1 ] optional: true }}\n'
        f'output {{ name: "OUT_{name}" data_type: TYPE_{name} dims: [ -1, -1 ] }}'
        for name in NUMBERS
    ]
    return "\n".join(
        [
            'backend: "python"',
            *tensors,
            'input { name: "WAIT_ROWS" data_type: TYPE_INT32 dims: [ 2 ] }',
            'output { name: "ROWS" data_type: TYPE_FP32 dims: [ -1, 1024 ] }',
            'output { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] }',
            "instance_group { kind: KIND_CPU count: 1 }",
        ]
    )


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTriton]:
    repository = tmp_path_factory.mktemp("shared-memory")
    (repository / "echo" / "1").mkdir(parents=True)
    (repository / "echo" / "config.pbtxt").write_text(config())
    (repository / "echo" / "1" / "model.py").write_text(ECHO)
    with LocalTriton(repository, load_models=["echo"], exit_timeout=0) as started:
        yield started


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, triton: LocalTriton) -> str:
    return f"{request.param}://{triton.grpc_url if request.param == 'grpc' else triton.http_url}"


@pytest.fixture
def regions(triton: LocalTriton) -> Iterator[Callable[[], list[str]]]:
    """Return a function that asks the server which regions it has open."""
    with closing(connect(f"grpc://{triton.grpc_url}")) as server:
        yield lambda: list(server._shared._server.registered(timeout=30))  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def nothing_is_left(regions: Callable[[], list[str]]) -> Iterator[None]:
    yield
    assert regions() == []
    # Names are there for a moment, also those of tests that run beside this one.
    names = set(Path("/dev/shm").glob("triton-deploy.*"))
    assert Deadline.after(30, SystemClock()).wait_for(
        lambda: not any(name.exists() for name in names)
    )


def ask(
    server: InferenceServer,
    arrays: dict[str, Any],
    *,
    wait: int = 0,
    rows: int = 0,
    timeout: float = 60,
) -> Any:
    inputs = {**arrays, "WAIT_ROWS": np.array([wait, rows], np.int32)}
    return server.infer("echo", inputs, timeout=timeout)


def test_the_same_arrays_come_back_either_way(url: str, regions: Callable[[], list[str]]) -> None:
    numbers = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE))
    arrays: dict[str, Any] = {name: numbers.astype(NUMPY_DTYPES[name]) for name in NUMBERS}
    arrays["INT16"] = arrays["INT16"].T
    arrays["INT32"] = arrays["INT32"].astype(">i4")
    arrays["FP32"] = arrays["FP32"][::2, ::2].astype(">f4")[:, ::-1]
    arrays["UINT8"] = np.zeros((0, 3), np.uint8)
    with closing(connect(url)) as shared, closing(connect(url, shared_memory=False)) as wire:
        expected = ask(wire, arrays, rows=2000)
        assert regions() == []
        for _ in range(3):
            found = ask(shared, arrays, rows=2000)
            assert regions()
            assert found.keys() == expected.keys()
            for name, array in expected.items():
                assert found[name].dtype == array.dtype
                assert found[name].flags.writeable
                np.testing.assert_array_equal(found[name], array)


def test_answers_stay_as_they_are(url: str) -> None:
    with closing(connect(url)) as server:
        kept = [
            ask(server, {"FP64": np.full((SIDE, SIDE), float(number))})["OUT_FP64"]
            for number in range(4)
        ]
        many = server.infer_many(
            "echo",
            (
                {"FP64": np.full((SIDE, SIDE), number % 4.0), "WAIT_ROWS": np.zeros(2, np.int32)}
                for number in range(12)
            ),
            timeout=60,
        )
        kept += [answer["OUT_FP64"] for answer in many]
    assert [array.min() for array in kept] == [*range(4)] * 4
    assert [array.max() for array in kept] == [*range(4)] * 4


def test_outputs_of_any_size(url: str) -> None:
    with closing(connect(url)) as server:
        for rows in (500, 500, 700, 700, 100, 0, 900):
            assert ask(server, {}, rows=rows)["ROWS"].shape == (rows, 1024)


def test_threads(url: str) -> None:
    wrong: list[object] = []
    with closing(connect(url)) as server:

        def work(number: int) -> None:
            sent = np.full((SIDE, SIDE), number, np.float32)
            for _ in range(6):
                found = ask(server, {"FP32": sent})["OUT_FP32"]
                if not np.array_equal(found, sent):
                    wrong.append(found)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_memory_that_the_server_still_uses(url: str, regions: Callable[[], list[str]]) -> None:
    large = np.ones((SIDE, SIDE))
    with closing(connect(url)) as server:
        ask(server, {"FP64": large})
        ask(server, {"FP64": large})
        before = len(regions())
        with pytest.raises(ServerTimeoutError):
            ask(server, {"FP64": large}, wait=1, timeout=0.5)
        # The one instance answers this when it has done with the other.
        assert ask(server, {"FP64": large * 2})["OUT_FP64"].max() == 2
        assert len(regions()) >= before
        ask(server, {"FP64": np.ones((3 * SIDE, SIDE))})


def test_a_server_that_was_started_anew(triton: LocalTriton, url: str) -> None:
    large = np.ones((SIDE, SIDE))
    with closing(connect(url)) as server:
        for _ in range(3):
            ask(server, {"FP64": large})
        triton.restart()
        for _ in range(3):
            assert ask(server, {"FP64": large})["OUT_FP64"].sum() == large.size


PROGRAM = """\
import os, signal, sys
import numpy as np
from triton_deploy_transport import connect

server = connect(sys.argv[1])
inputs = {"FP64": np.ones((1024, 1024)), "WAIT_ROWS": np.zeros(2, np.int32)}
for _ in range(3):
    server.infer("echo", inputs, timeout=60)
assert server._shared._server.registered(timeout=30)
print("done", flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "failed":
    raise SystemError("any")
"""


@pytest.mark.parametrize("end", ["exit", "failed", "killed"])
def test_the_end_of_the_process(url: str, end: str, regions: Callable[[], list[str]]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, end],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout == "done\n", result.stderr
    if end == "killed":
        assert regions()
        # The next process that shares memory lets go of it.
        with closing(connect(url)) as server:
            ask(server, {"FP64": np.ones((SIDE, SIDE))})
    assert regions() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_does_not_write_where_its_parent_reads(triton: LocalTriton) -> None:
    # Over HTTP: gRPC itself does not outlive a fork.
    with closing(connect(triton.http_url)) as server:
        mine, theirs = np.full((SIDE, SIDE), 1.0), np.full((SIDE, SIDE), 2.0)
        ask(server, {"FP64": mine})
        ask(server, {"FP64": mine})
        server._client.close()  # type: ignore[attr-defined] # connections are not for two either
        child = os.fork()
        if not child:
            found = [ask(server, {"FP64": theirs})["OUT_FP64"] for _ in range(5)]
            server.close()
            os._exit(0 if all(np.array_equal(array, theirs) for array in found) else 1)
        found = [ask(server, {"FP64": mine})["OUT_FP64"] for _ in range(5)]
        assert os.waitpid(child, 0)[1] == 0
        assert all(np.array_equal(array, mine) for array in found)
        assert np.array_equal(ask(server, {"FP64": mine})["OUT_FP64"], mine)
