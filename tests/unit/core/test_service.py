from __future__ import annotations

import json

import pytest

from triton_deploy_core.errors import (
    ControlModeError,
    DeploymentBusyError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    InvalidNameError,
    InvalidPackageError,
    LoadFailedError,
    LoadTimeoutError,
    NotOursError,
    RequestRefusedError,
    ServerUnreachableError,
    StoreUnavailableError,
)
from triton_deploy_core.lease import holding
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.server import ModelState
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.simulated_calls import FailNth
from triton_deploy_core.testing.simulator import ControlMode
from triton_deploy_core.testing.store_faults import FailAt
from triton_deploy_core.testing.world import SimulatedWorld, tree_package, version_package

FOREIGN = {"other/config.pbtxt": b'backend: "python"\n', "other/1/model.py": b"theirs"}


@pytest.fixture
def world() -> SimulatedWorld:
    return SimulatedWorld(FOREIGN)


class TestCreate:
    def test_serves_the_model_and_leaves_a_record(self, world):
        deployment = world.service.create("iris", version_package(b"one", 3))
        assert world.serves("iris") == {3: b"one"}
        assert (deployment.state, deployment.versions) == (ModelState.READY, (3,))
        assert json.loads(world.store.snapshot()["iris/mlflow-meta.json"]) == {
            "name": "iris",
            "triton_model_path": "memory://models/iris",
            "mlflow_model_uri": "models:/m/3",
            "flavor": "onnx",
        }

    def test_on_a_server_that_reads_another_repository_tells_what_to_compare(self, world):
        before = world.store.snapshot()
        world.server.store = MemoryStore(FOREIGN)
        with pytest.raises(LoadFailedError, match="does not see 'iris'") as raised:
            world.service.create("iris", version_package(b"one"))
        for word in ("TRITON_MODEL_REPO", "--model-repository", "credentials", "Nothing was left"):
            assert word in str(raised.value)
        assert world.store.snapshot() == before

    def test_on_a_server_that_sees_it_blames_the_model(self, world):
        with pytest.raises(LoadFailedError, match="failed to poll") as raised:
            world.service.create("iris", tree_package({"config.pbtxt": b'name: "x"\n', "1/m": b""}))
        assert "TRITON_MODEL_REPO" not in str(raised.value)

    def test_leaves_no_bookkeeping_behind(self, world):
        world.service.create("iris", version_package(b"one"))
        assert world.unfinished() == []
        outside = [key for key in world.store.snapshot() if not key.startswith(("iris/", "other/"))]
        assert outside == [".iris.@digests"]

    def test_deploys_a_users_configuration_byte_for_byte(self, world):
        config = b'# mine\nbackend: "onnxruntime" max_batch_size: 0\n'
        world.service.create("iris", version_package(b"one", user_config=config))
        assert world.files("iris")["config.pbtxt"] == config

    def test_deploys_a_tree_as_it_is(self, world):
        files = {
            "config.pbtxt": b'backend: "python"\nversion_policy { all {} }\n',
            "1/model.py": b"a",
            "4/model.py": b"b",
            "labels.txt": b"x",
        }
        deployment = world.service.create("iris", tree_package(files))
        assert world.files("iris") == files
        assert deployment.versions == (1, 4)

    def test_deploys_an_ensembles_empty_version_directory(self, world):
        files = {"config.pbtxt": b'platform: "ensemble"\n', "1/": b""}
        assert world.service.create("all", tree_package(files)).versions == (1,)
        assert world.files("all") == files

    @pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a b", "a\nb", "ü"])
    def test_refuses_a_bad_name_before_anything_is_touched(self, world, name):
        with pytest.raises(InvalidNameError):
            world.service.create(name, version_package(b"one"))
        assert world.store.calls == []
        assert world.server.calls == []

    def test_refuses_a_name_that_is_deployed(self, world):
        world.service.create("iris", version_package(b"one"))
        before = world.store.snapshot()
        with pytest.raises(DeploymentExistsError, match="Update it"):
            world.service.create("iris", version_package(b"two"))
        assert world.store.snapshot() == before
        assert world.serves("iris") == {1: b"one"}

    def test_refuses_a_directory_that_nobody_deployed(self, world):
        with pytest.raises(NotOursError, match=r"no mlflow-meta\.json"):
            world.service.create("other", version_package(b"one"))
        assert world.store.snapshot() == FOREIGN

    def test_refuses_a_name_that_the_server_serves_from_elsewhere(self, world):
        elsewhere = SimulatedWorld({"iris/1/model.onnx": b"x"})
        elsewhere.server.load("iris", timeout=1)
        world.server = elsewhere.server
        service = world.new_service()
        with pytest.raises(NotOursError, match="not in memory://models"):
            service.create("iris", version_package(b"one"))

    def test_refuses_a_model_without_a_version(self, world):
        with pytest.raises(InvalidPackageError, match="version"):
            world.service.create("iris", tree_package({"config.pbtxt": b'backend: "python"\n'}))
        assert world.store.snapshot() == FOREIGN

    def test_leaves_nothing_when_the_load_fails(self, world):
        with pytest.raises(LoadFailedError, match="bad opset") as caught:
            world.service.create("iris", version_package(b"broken bad opset"))
        assert "Nothing was left" in str(caught.value)
        assert "not ready" not in str(caught.value)
        assert world.server.is_ready()
        assert world.store.snapshot() == FOREIGN
        assert world.serves("iris") == {}

    def test_says_what_the_operator_can_do_where_readiness_can_not_be_healed(self, world):
        load = world.server.load

        def refuse_overrides(name, *, timeout, override=None):
            if override is not None:
                raise LoadFailedError("no python backend here", reason="no python backend here")
            load(name, timeout=timeout)

        world.server.load = refuse_overrides
        with pytest.raises(LoadFailedError, match="not ready since then") as caught:
            world.service.create("iris", version_package(b"broken", 4))
        assert "until a model 'iris' loads as version 4 or Triton restarts" in str(caught.value)

    def test_leaves_nothing_when_the_repository_fails(self, world):
        world.store.faults = FailAt(frozenset({20}))
        with pytest.raises(StoreUnavailableError):
            world.service.create("iris", version_package(b"one"))
        assert world.store.snapshot() == FOREIGN

    def test_tells_a_load_that_goes_on_from_one_that_failed(self, world):
        service = world.new_service(timeout=30)
        with pytest.raises(LoadTimeoutError, match="next operation on 'iris' takes it back"):
            service.create("iris", version_package(b"hang"))
        assert set(world.store.snapshot()) == {*FOREIGN, ".iris.@journal"}

    def test_notices_that_the_server_reads_another_repository(self, world):
        elsewhere = SimulatedWorld()
        world.server = elsewhere.server
        with pytest.raises(LoadFailedError):
            world.new_service().create("iris", version_package(b"one"))
        assert world.store.snapshot() == FOREIGN


class TestServer:
    def test_that_is_down_is_noticed_before_anything_is_touched(self, world):
        world.server.kill()
        for act in _operations(world):
            with pytest.raises(ServerUnreachableError):
                act()
        assert world.store.snapshot() == FOREIGN

    @pytest.mark.parametrize("mode", [ControlMode.NONE, ControlMode.POLL])
    def test_that_takes_no_loads_is_noticed_before_anything_is_touched(self, world, mode):
        world.server.mode = mode
        for act in _operations(world):
            with pytest.raises(ControlModeError):
                act()
        assert world.store.snapshot() == FOREIGN

    def test_that_refuses_loads_for_another_reason_is_quoted_without_our_probe(self, world):
        world.server.before_call = FailNth(
            RequestRefusedError("is-this-server…: 403 Forbidden", reason="403 Forbidden"),
            method="unload",
        )
        with pytest.raises(RequestRefusedError, match=r"403 Forbidden\. Check") as caught:
            world.service.delete("iris")
        assert "is-this-server" not in str(caught.value)


def _operations(world):
    return (
        lambda: world.service.create("iris", version_package(b"one")),
        lambda: world.service.update("iris", version_package(b"one")),
        lambda: world.service.delete("iris"),
    )


class TestUpdate:
    def test_serves_the_new_version(self, world):
        world.service.create("iris", version_package(b"one", 1))
        world.service.update("iris", version_package(b"two", 2))
        assert world.serves("iris") == {2: b"two"}
        assert b"models:/m/2" in world.store.snapshot()["iris/mlflow-meta.json"]

    def test_keeps_one_previous_version(self, world):
        world.service.create("iris", version_package(b"one", 1))
        for number in (2, 3, 4):
            world.service.update("iris", version_package(b"n%d" % number, number))
        models = {path for path in world.files("iris") if path.endswith("model.onnx")}
        assert models == {"3/model.onnx", "4/model.onnx"}

    def test_never_writes_into_a_version_that_serves(self, world):
        world.service.create("iris", version_package(b"one", 1))
        assert world.service.update("iris", version_package(b"two", 1)).versions == (2,)

    def test_leaves_the_old_version_serving_when_the_load_fails(self, world):
        world.service.create("iris", version_package(b"one", 1))
        before = world.store.snapshot()
        with pytest.raises(LoadFailedError, match="bad opset") as caught:
            world.service.update("iris", version_package(b"broken bad opset", 2))
        assert "still serves" in str(caught.value)
        assert world.store.snapshot() == before
        assert world.serves("iris") == {1: b"one"}

    def test_heals_the_readiness_that_a_failed_version_takes(self, world):
        world.service.create("iris", version_package(b"one", 1))
        with pytest.raises(LoadFailedError) as caught:
            world.service.update("iris", version_package(b"broken", 2))
        assert world.server.is_ready()
        assert "not ready" not in str(caught.value)

    def test_does_not_blame_itself_for_a_server_that_was_not_ready(self, world):
        world.store.seed({"sick/1/model.onnx": b"broken"})
        with pytest.raises(LoadFailedError):
            world.server.load("sick", timeout=1)
        world.service.create("iris", version_package(b"one", 1))
        with pytest.raises(LoadFailedError) as caught:
            world.service.update("iris", version_package(b"broken", 2))
        assert "not ready" not in str(caught.value)

    def test_switches_to_a_users_configuration_and_back(self, world):
        config = b'backend: "onnxruntime"\nmax_batch_size: 0\n# mine\n'
        world.service.create("iris", version_package(b"one", 1))
        world.service.update("iris", version_package(b"two", 2, user_config=config))
        assert world.files("iris")["config.pbtxt"] == config
        assert world.serves("iris") == {2: b"two"}
        world.service.update("iris", version_package(b"three", 3))
        assert world.serves("iris") == {3: b"three"}
        world.server.restart(load_all=True)
        assert world.serves("iris") == {3: b"three"}

    @pytest.mark.parametrize(
        "policy", ["", "latest { num_versions: 2 }", "all {}", "specific { versions: [1] }"]
    )
    def test_serves_just_the_new_model_under_any_policy_of_the_user(self, world, policy):
        block = f"version_policy {{ {policy} }}" if policy else ""
        config = f'backend: "onnxruntime"\nmax_batch_size: 0\n{block}\n'.encode()
        for content in (b"one", b"two", b"three"):
            package = version_package(content, 1, user_config=config)
            if world.service.has("iris"):
                world.service.update("iris", package)
            else:
                world.service.create("iris", package)
            assert list(world.serves("iris").values()) == [content]
            assert world.files("iris")["config.pbtxt"] == config
            world.server.restart(load_all=True)
            assert list(world.serves("iris").values()) == [content]

    def test_replaces_a_tree_and_what_is_no_longer_in_it(self, world):
        world.service.create(
            "iris", tree_package({"config.pbtxt": b'backend: "x"\n', "1/m": b"a", "old.txt": b"o"})
        )
        files = {"config.pbtxt": b'backend: "y"\n', "1/m": b"b", "2/m": b"c"}
        world.service.update("iris", tree_package(files))
        assert world.files("iris") == files
        assert world.server.served("iris")[2]["2/m"] == b"c"

    def test_replaces_a_large_tree(self, world):
        config = {"config.pbtxt": b'backend: "x"\n'}
        old = config | {"1/weights": b"a" * 100_000} | {f"1/{i}": b"x" for i in range(50)}
        new = config | {"1/weights": b"b" * 100_000} | {f"1/{i}": b"y" for i in range(50)}
        world.service.create("iris", tree_package(old))
        world.service.update("iris", tree_package(new))
        assert world.files("iris") == new

    def test_puts_a_tree_back_when_the_load_fails(self, world):
        old = {"config.pbtxt": b'backend: "x"\n', "1/m": b"a" * 100_000, "old.txt": b"o"}
        world.service.create("iris", tree_package(old))
        before = world.store.snapshot()
        with pytest.raises(LoadFailedError):
            world.service.update("iris", tree_package({"1/m": b"broken", "1/n": b"", "3/": b""}))
        assert world.store.snapshot() == before
        assert world.server.served("iris")[1]["1/m"] == old["1/m"]
        assert world.server.is_ready()

    def test_of_nothing_is_refused(self, world):
        with pytest.raises(DeploymentNotFoundError, match="There is no deployment 'iris'"):
            world.service.update("iris", version_package(b"one"))
        with pytest.raises(NotOursError):
            world.service.update("other", version_package(b"one"))
        assert world.store.snapshot() == FOREIGN

    def test_of_what_nvidias_plugin_deployed(self, world):
        """It writes no configuration, and its version directory is whatever the model had."""
        record = {
            "name": "iris",
            "triton_model_path": "/models/iris",
            "mlflow_model_uri": "models:/iris/1",
            "flavor": "onnx",
        }
        world.store.seed(
            {
                "iris/1/model.onnx": b"one",
                "iris/mlflow-meta.json": json.dumps(record, indent=4).encode(),
            }
        )
        world.server.load("iris", timeout=1)
        world.service.update("iris", version_package(b"two", 2))
        assert world.serves("iris") == {2: b"two"}


class TestDelete:
    def test_removes_everything_of_that_name_and_nothing_else(self, world):
        world.service.create("iris", version_package(b"one"))
        world.service.create("iris2", version_package(b"two"))
        world.service.delete("iris")
        assert not any(key.startswith("iris/") for key in world.store.snapshot())
        assert world.serves("iris2") == {1: b"two"}
        assert world.server.is_ready()

    def test_waits_until_the_server_has_let_go(self, world):
        world.service.create("iris", version_package(b"one"))
        world.service.delete("iris")
        assert not any(row.name == "iris" for row in world.server.index())

    def test_of_nothing_is_no_error(self, world):
        world.service.delete("iris")
        assert world.store.snapshot() == FOREIGN

    def test_refuses_a_directory_that_nobody_deployed(self, world):
        with pytest.raises(NotOursError):
            world.service.delete("other")
        assert world.store.snapshot() == FOREIGN

    def test_says_so_when_the_server_has_that_name_from_elsewhere(self, world):
        elsewhere = SimulatedWorld({"iris/1/model.onnx": b"x"})
        elsewhere.server.load("iris", timeout=1)
        world.server = elsewhere.server
        with pytest.raises(NotOursError, match=r"not in memory:.*models/iris/unload"):
            world.new_service().delete("iris")
        assert elsewhere.serves("iris") == {1: b"x"}


class TestListAndGet:
    def test_show_only_what_was_deployed(self, world):
        world.service.create("b", version_package(b"b", 2))
        world.service.create("a", version_package(b"a"))
        listed = [(item.name, item.version, item.state) for item in world.service.list()]
        assert listed == [("a", 1, ModelState.READY), ("b", 2, ModelState.READY)]

    def test_ask_no_index_where_all_serve(self, world):
        world.service.create("a", version_package(b"a"))
        calls = len(world.server.calls)
        world.service.list()
        world.service.get("a")
        assert "index" not in {call.method for call in world.server.calls[calls:]}

    def test_show_what_does_not_serve_and_why(self, world):
        world.service.create("iris", version_package(b"one"))
        world.server.restart()
        for item in (world.service.get("iris"), *world.service.list()):
            assert (item.state, item.versions) == (ModelState.UNKNOWN, ())
            assert "not loaded" in item.reason
        world.store.seed({"iris/1/model.onnx": b"broken by hand"})
        world.server.restart(load_all=True)
        item = world.service.get("iris")
        assert item.state is ModelState.UNAVAILABLE
        assert "by hand" in item.reason

    def test_show_what_the_server_does_not_see(self, world):
        world.service.create("iris", version_package(b"one"))
        world.server = SimulatedWorld().server
        assert "does not see" in world.new_service().get("iris").reason

    def test_show_records_that_nobody_can_read_as_such(self, world):
        world.store.seed({"x/mlflow-meta.json": b"[]", "y/mlflow-meta.json": b'{"name": "z"}'})
        damaged, foreign = world.service.list()
        assert (damaged.name, damaged.state) == ("x", ModelState.UNKNOWN)
        assert "x/mlflow-meta.json can't be read" in damaged.differences[0].text
        assert "is the record of 'z', not of 'y'" in foreign.differences[0].text
        assert world.service.get("x") == damaged
        for act in (world.service.delete, world.service.require_existing):
            with pytest.raises(NotOursError, match="can't be read"):
                act("x")

    def test_get_of_nothing(self, world):
        with pytest.raises(DeploymentNotFoundError):
            world.service.get("iris")


class TestOneWriter:
    def test_another_operation_is_refused_and_told_who_is_at_work(self, world):
        world.service.create("iris", version_package(b"one"))
        before = world.store.snapshot()
        with holding(world.store, DeploymentName("iris"), "update", clock=world.clock):
            for act in (
                lambda: world.service.update("iris", version_package(b"two")),
                lambda: world.service.delete("iris"),
            ):
                with pytest.raises(DeploymentBusyError, match="Another update of 'iris'"):
                    act()
            world.service.create("iris2", version_package(b"free"))
        world.service.delete("iris2")
        assert world.store.snapshot() == before
