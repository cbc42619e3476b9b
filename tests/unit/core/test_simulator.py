"""What `SimulatedTriton` does beyond the contract: time, faults, and what a test can look at."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from triton_deploy_core.errors import (
    ControlModeError,
    LoadFailedError,
    LoadTimeoutError,
    ModelNotServedError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from triton_deploy_core.ports.server import IndexEntry, LoadOverride, ModelState
from triton_deploy_core.testing.clock import FakeClock
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulated_calls import FailNth, ServerCall
from triton_deploy_core.testing.simulator import ControlMode, SimulatedTriton

CONFIG = b'backend: "onnxruntime"\n'
ALL = CONFIG + b"version_policy { all { } }\n"
ENSEMBLE = b'platform: "ensemble"\n'
GOOD = {"iris/config.pbtxt": CONFIG, "iris/1/model.onnx": b"one"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(GOOD, clock=clock)


@pytest.fixture
def server(store: MemoryStore, clock: FakeClock) -> SimulatedTriton:
    return SimulatedTriton(store, clock=clock)


def load(server: SimulatedTriton, name: str = "iris", timeout: float = 10) -> None:
    server.load(name, timeout=timeout)


def states(server: SimulatedTriton) -> dict[int | None, ModelState]:
    return {row.version: row.state for row in server.index()}


class TestWhatALoadDoes:
    def test_served_tells_the_bytes_that_were_loaded(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        store.seed({"iris/labels.txt": b"a"})
        load(server)
        store.seed({"iris/1/model.onnx": b"changed"})
        assert server.served("iris") == {1: {"1/model.onnx": b"one", "labels.txt": b"a"}}
        assert server.served("nobody") == {}

    def test_nothing_changed_nothing_loaded(self, server: SimulatedTriton) -> None:
        load(server)
        load(server)
        assert server.load_count("iris") == 1

    def test_only_the_version_that_changed_is_loaded(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        store.seed({"iris/config.pbtxt": ALL, "iris/2/model.onnx": b"two"})
        load(server)
        store.seed({"iris/2/model.onnx": b"two, changed"})
        load(server)
        assert (server.load_count("iris", 1), server.load_count("iris", 2)) == (1, 2)

    @pytest.mark.parametrize(
        "line",
        [b"instance_group [ { count: 2 } ]", b"version_policy { latest { num_versions: 3 } }"],
    )
    def test_some_of_the_config_reloads_nothing(
        self, server: SimulatedTriton, store: MemoryStore, line: bytes
    ) -> None:
        load(server)
        store.seed({"iris/config.pbtxt": CONFIG + line})
        load(server)
        assert server.load_count("iris") == 1

    def test_the_rest_of_the_config_reloads_all(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        load(server)
        store.seed({"iris/config.pbtxt": CONFIG + b"max_batch_size: 4"})
        load(server)
        assert server.load_count("iris") == 2
        assert server.config("iris")["max_batch_size"] == 4

    def test_an_entry_beside_the_versions_reloads_all_but_not_when_it_goes(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        load(server)
        store.seed({"iris/.note/x": b"x"})
        load(server)
        assert server.load_count("iris") == 2
        store.delete(["iris/.note/x"])
        load(server)
        assert server.load_count("iris") == 2

    def test_directory_that_starts_with_a_digit_is_a_version_and_breaks(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        store.seed({"iris/2tmp/model.onnx": b"half"})
        with pytest.raises(LoadFailedError, match="version 2 is at UNAVAILABLE state"):
            load(server)

    def test_empty_version_directory_is_enough_for_an_ensemble_only(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        store.seed({"both/config.pbtxt": ENSEMBLE, "both/1/": b""})
        load(server, "both")
        assert server.ready_versions("both") == {1}
        store.seed({"none/config.pbtxt": CONFIG, "none/1/": b""})
        with pytest.raises(LoadFailedError, match="no model file"):
            load(server, "none")

    @pytest.mark.parametrize("config", [b"", b"max_batch_size: 1"])
    def test_config_that_says_too_little_is_completed_where_that_is_on(
        self, server: SimulatedTriton, store: MemoryStore, config: bytes
    ) -> None:
        """It was tried on Triton 2.51."""
        store.seed({"iris/config.pbtxt": config})
        load(server)
        assert server.ready_versions("iris")
        server.auto_complete = False
        with pytest.raises(LoadFailedError, match="failed to poll"):
            load(server)

    @pytest.mark.parametrize("config", [b'name: "other"', b"{{{"])
    def test_config_that_is_anothers_or_rubbish(
        self, server: SimulatedTriton, store: MemoryStore, config: bytes
    ) -> None:
        store.seed({"iris/config.pbtxt": config})
        with pytest.raises(LoadFailedError) as caught:
            load(server)
        expected = "failed to load 'iris', failed to poll from model repository"
        assert caught.value.reason == expected

    def test_model_without_config_needs_auto_complete(
        self, store: MemoryStore, clock: FakeClock
    ) -> None:
        store.delete(["iris/config.pbtxt"])
        server = SimulatedTriton(store, clock=clock)
        load(server)
        assert server.metadata("iris").platform == "onnxruntime"
        strict = SimulatedTriton(store, clock=clock, auto_complete=False)
        with pytest.raises(LoadFailedError, match="failed to poll"):
            load(strict)

    def test_reason_is_tritons_own(self, server: SimulatedTriton, store: MemoryStore) -> None:
        store.seed({"iris/1/model.onnx": b"broken out of memory\nmore"})
        with pytest.raises(LoadFailedError) as caught:
            load(server)
        assert caught.value.reason == (
            "load failed for model 'iris': version 1 is at UNAVAILABLE state: "
            "Internal: out of memory;\n"
        )
        assert server.index() == [
            IndexEntry("iris", 1, ModelState.UNAVAILABLE, "Internal: out of memory")
        ]

    def test_sent_config_stays_until_the_directory_changes(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        config = {"backend": "onnxruntime", "max_batch_size": 3}
        server.load("iris", timeout=1, override=LoadOverride(config))
        load(server)
        assert server.config("iris")["max_batch_size"] == 3
        store.seed({"iris/1/model.onnx": b"two"})
        load(server)
        assert server.config("iris")["max_batch_size"] == 0

    def test_sent_files_that_are_the_same_are_not_loaded_again(
        self, server: SimulatedTriton
    ) -> None:
        override = LoadOverride({"backend": "python"}, {"1/model.py": b"x"})
        for _ in range(2):
            server.load("iris", timeout=1, override=override)
        assert server.load_count("iris") == 1
        assert server.served("iris") == {1: {"1/model.py": b"x"}}

    @pytest.mark.parametrize(
        "config",
        [{"name": "other", "backend": "python"}, {"version_policy": {"some": {}}, "backend": "x"}],
    )
    def test_sent_config_that_triton_would_not_take(
        self, server: SimulatedTriton, config: dict[str, object]
    ) -> None:
        for files in ({}, {"1/model.py": b"x"}):
            with pytest.raises(LoadFailedError, match="failed to poll"):
                server.load("iris", timeout=1, override=LoadOverride(config, files))


class TestTime:
    def test_unloading_takes_its_time(self, server: SimulatedTriton, clock: FakeClock) -> None:
        load(server)
        server.unload("iris", timeout=1)
        assert states(server) == {1: ModelState.UNLOADING}
        assert not server.is_ready()
        clock.sleep(server.unload_seconds)
        assert server.is_ready()
        assert server.index() == [IndexEntry("iris", 1, ModelState.UNAVAILABLE, "unloaded")]

    def test_load_that_takes_long_is_waited_for(
        self, server: SimulatedTriton, store: MemoryStore, clock: FakeClock
    ) -> None:
        store.seed({"iris/1/model.onnx": b"slow 8"})
        load(server, timeout=10)
        assert clock.monotonic() == 8
        assert server.ready_versions("iris") == {1}

    def test_load_that_outlives_its_deadline_ends_by_itself(
        self, server: SimulatedTriton, store: MemoryStore, clock: FakeClock
    ) -> None:
        store.seed({"iris/1/model.onnx": b"slow 30"})
        with pytest.raises(LoadTimeoutError):
            load(server, timeout=10)
        assert states(server) == {1: ModelState.LOADING}
        assert not server.is_ready()
        clock.sleep(20)
        assert server.ready_versions("iris") == {1}
        assert server.is_ready()

    def test_load_that_hangs_blocks_the_next_ones(
        self, server: SimulatedTriton, store: MemoryStore, clock: FakeClock
    ) -> None:
        store.seed({"iris/1/model.onnx": b"hang"})
        for _ in range(2):
            with pytest.raises(LoadTimeoutError):
                load(server, timeout=10)
        with pytest.raises(ServerTimeoutError):
            server.unload("iris", timeout=10)
        assert clock.monotonic() == 30
        assert states(server) == {1: ModelState.LOADING}

    def test_old_version_serves_while_the_new_one_loads(
        self, server: SimulatedTriton, store: MemoryStore, clock: FakeClock
    ) -> None:
        load(server)
        store.seed({"iris/2/model.onnx": b"slow 30"})
        with pytest.raises(LoadTimeoutError):
            load(server, timeout=1)
        assert states(server) == {1: ModelState.READY, 2: ModelState.LOADING}
        assert server.served("iris") == {1: {"1/model.onnx": b"one"}}
        clock.sleep(29)
        assert server.ready_versions("iris") == {2}

    def test_slow_without_a_number_is_content(
        self, server: SimulatedTriton, store: MemoryStore, clock: FakeClock
    ) -> None:
        store.seed({"iris/1/model.onnx": b"slow and steady"})
        load(server)
        assert clock.monotonic() == 0


class TestTheProcess:
    def test_restart_forgets(self, server: SimulatedTriton, store: MemoryStore) -> None:
        store.seed({"iris/1/model.onnx": b"broken"})
        with pytest.raises(LoadFailedError):
            load(server)
        server.restart()
        assert server.is_ready()
        assert states(server) == {None: ModelState.UNKNOWN}

    def test_restart_with_all_models(self, server: SimulatedTriton, store: MemoryStore) -> None:
        store.seed({"bad/config.pbtxt": b"{{{", "bad/1/x": b"x", ".iris.lock": b""})
        server.restart(load_all=True)
        assert server.loaded() == {("iris", 1)}
        assert server.is_ready()

    @pytest.mark.parametrize(
        "files", [{".staging/x": b""}, {"b/config.pbtxt": CONFIG, "b/1/m": b"broken"}]
    )
    def test_restart_with_a_model_that_fails_is_not_ready(
        self, server: SimulatedTriton, store: MemoryStore, files: dict[str, bytes]
    ) -> None:
        store.seed(files)
        server.restart(load_all=True)
        assert server.loaded() == {("iris", 1)}
        assert not server.is_ready()

    @pytest.mark.parametrize("mode", [ControlMode.NONE, ControlMode.POLL])
    def test_other_modes_load_all_and_take_no_orders(
        self, store: MemoryStore, mode: ControlMode
    ) -> None:
        server = SimulatedTriton(store, mode=mode)
        assert server.loaded() == {("iris", 1)}
        with pytest.raises(ControlModeError, match="explicit"):
            load(server)

    def test_killed_or_cut_off_answers_nothing(self, server: SimulatedTriton) -> None:
        load(server)
        server.reachable = False
        with pytest.raises(ServerUnreachableError):
            server.is_live()
        server.reachable = True
        assert server.loaded() == {("iris", 1)}
        server.kill()
        with pytest.raises(ServerUnreachableError):
            server.is_live()
        server.restart()
        assert server.loaded() == frozenset()
        server.close()

    def test_restart_while_a_load_is_waited_for(self, store: MemoryStore) -> None:
        class RestartingClock(FakeClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                restarted.restart()

        restarted = SimulatedTriton(store, clock=RestartingClock())
        store.seed({"iris/1/model.onnx": b"slow 5"})
        with pytest.raises(ServerUnreachableError):
            load(restarted)


class TestFaults:
    def test_before_the_call_nothing_happened(self, server: SimulatedTriton) -> None:
        server.before_call = FailNth(ServerTimeoutError("lost"), method="load")
        assert server.is_live()
        with pytest.raises(ServerTimeoutError):
            load(server)
        assert server.loaded() == frozenset()
        load(server)
        assert server.loaded() == {("iris", 1)}

    def test_after_the_call_only_the_answer_is_lost(self, server: SimulatedTriton) -> None:
        server.after_call = FailNth(ServerTimeoutError("lost"), nth=2)
        assert server.is_live()
        with pytest.raises(ServerTimeoutError):
            load(server)
        assert server.loaded() == {("iris", 1)}

    def test_calls_are_logged(self, server: SimulatedTriton) -> None:
        load(server)
        with pytest.raises(ModelNotServedError):
            server.metadata("nobody")
        assert server.calls == [ServerCall("load", "iris"), ServerCall("metadata", "nobody")]

    def test_many_threads(self, server: SimulatedTriton) -> None:
        def work() -> None:
            for _ in range(50):
                load(server)
                server.unload("iris", timeout=1)
                server.index()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.calls) == 4 * 150
        load(server)
        assert server.ready_versions("iris") == {1}


class TestServing:
    @pytest.fixture
    def model(self, server: SimulatedTriton, store: MemoryStore) -> SimulatedTriton:
        store.seed({"iris/config.pbtxt": CONFIG + b"""
            max_batch_size: 4
            input { name: "A" data_type: TYPE_FP32 dims: 2 }
            input { name: "B" data_type: TYPE_STRING dims: 1 optional: true }
            output { name: "B" data_type: TYPE_STRING dims: 1 }
            output { name: "SUM" data_type: TYPE_INT64 dims: [ -1, 3 ] }
            output { name: "A" data_type: TYPE_FP32 dims: 2 }
        """})  # fmt: skip
        load(server)
        return server

    def test_echo_by_name_else_zeros(self, model: SimulatedTriton) -> None:
        a = np.ones((3, 2), np.float32)
        outputs = model.infer("iris", {"A": a}, timeout=1)
        assert outputs["B"].tolist() == [[b""]] * 3
        assert outputs["SUM"].shape == (3, 1, 3)
        assert outputs["SUM"].dtype == np.dtype(np.int64)
        np.testing.assert_array_equal(outputs["A"], a)

    def test_text_comes_back_as_bytes(self, model: SimulatedTriton) -> None:
        inputs = {"A": np.ones((1, 2), np.float32), "B": np.array([["\u00fc"]])}
        assert model.infer("iris", inputs, timeout=1)["B"].tolist() == [["\u00fc".encode()]]

    def test_failures_are_counted(self, model: SimulatedTriton) -> None:
        with pytest.raises(RequestRefusedError):
            model.infer("iris", {}, timeout=1)
        (statistics,) = model.statistics("iris")
        assert (statistics.fail_count, statistics.success_count) == (1, 0)

    def test_datatype_without_numpy_type_has_no_zeros(
        self, server: SimulatedTriton, store: MemoryStore
    ) -> None:
        line = b'output { name: "O" data_type: TYPE_BF16 dims: 1 }'
        store.seed({"iris/config.pbtxt": CONFIG + line})
        load(server)
        with pytest.raises(RequestRefusedError, match="BF16"):
            server.infer("iris", {}, timeout=1)
