"""Law 8: only bytes that changed are transferred, and a load is made only where there is a need."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from triton_deploy_core.digests import Digest, Digests
from triton_deploy_core.errors import InvalidSettingError, LoadFailedError, ModelSourceError
from triton_deploy_core.fingerprints import Fingerprints
from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.store import Content, LocalFile, StoredBlob, StoredObject
from triton_deploy_core.small_files import MAX_SMALL_FILE_BYTES
from triton_deploy_core.testing.world import CONFIG, SimulatedWorld, tree_package, version_package

DIGESTS = ".iris.@digests"
LARGE = b"w" * 100_000
OTHER_CONFIG = CONFIG + b"dynamic_batching { }\n"
VERBATIM = {
    None: None,
    "latest": b'backend: "onnxruntime"\nmax_batch_size: 0\n',
    "all": b'backend: "onnxruntime"\nmax_batch_size: 0\nversion_policy { all {} }\n',
    "in place": b'backend: "onnxruntime"\nversion_policy { specific { versions: [1] } }\n',
}


def _package(
    files: Mapping[str, bytes], number: int = 1, config: bytes = CONFIG, **beside: bytes
) -> VersionPackage:
    return VersionPackage(
        Origin(f"models:/m/{number}", "onnx", number),
        {path: Content(data) for path, data in files.items()},
        config,
        beside={path: Content(data) for path, data in beside.items()},
    )


@pytest.fixture
def world() -> SimulatedWorld:
    world = SimulatedWorld()
    world.service.create("iris", _package({"model.onnx": b"one", "weights": LARGE}))
    return world


class Watch:
    """What was transferred, written and loaded since."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self._calls, self._loads = len(world.store.calls), len(world.server.calls)

    def keys(self, method: str) -> list[str]:
        calls = self._world.store.calls[self._calls :]
        return [key for call in calls if call.method == method for key in call.keys]

    @property
    def written(self) -> set[str]:
        return {key for key in self.keys("write") if not key.startswith(".")}

    @property
    def loads(self) -> int:
        calls = self._world.server.calls[self._loads :]
        return sum(call.method == "load" for call in calls)


def test_a_changed_configuration_transfers_nothing_else(world):
    watch = Watch(world)
    weights = world.store.modified("iris/1/")
    files = {"model.onnx": b"one", "weights": LARGE}
    done = world.service.update("iris", _package(files, 1, OTHER_CONFIG))
    assert (watch.keys("transfer"), watch.loads, done.versions) == ([], 1, (1,))
    assert watch.written == {"iris/config.pbtxt"}
    assert world.store.modified("iris/1/") == weights
    assert "dynamic_batching" in world.server.config("iris")


def test_an_unchanged_file_is_copied_inside_the_repository(world, tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(LARGE)
    package = VersionPackage(
        Origin("models:/m/2", "onnx", 2),
        {"model.onnx": Content(b"two"), "elsewhere/weights": LocalFile(weights, len(LARGE))},
        CONFIG,
    )
    sources = {}
    transfer = world.store.transfer

    def noting(transfers, progress, *, guard):
        sources.update({item.key: item.source for item in transfers})
        transfer(transfers, progress, guard=guard)

    world.store.transfer = noting
    world.service.update("iris", package)
    assert sources == {
        "iris/2/model.onnx": Content(b"two"),
        "iris/2/elsewhere/weights": StoredBlob("iris/1/weights", len(LARGE)),
    }
    assert world.files("iris")["2/elsewhere/weights"] == LARGE


@pytest.mark.parametrize("config", VERBATIM)
def test_going_back_transfers_nothing(config):
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"one", 1, user_config=VERBATIM[None]))
    world.service.update("iris", version_package(b"two", 2, user_config=VERBATIM[None]))
    watch = Watch(world)
    back = version_package(b"one", 1, user_config=VERBATIM[config])
    done = world.service.update("iris", back)
    assert watch.keys("transfer") == []
    assert done.versions == (1,)
    assert world.serves("iris") == {1: b"one"}
    world.server.restart(load_all=True)
    assert world.serves("iris") == {1: b"one"}
    if config is None:
        assert watch.loads == 1
        world.service.update("iris", version_package(b"two", 2))
        assert watch.keys("transfer") == []
        assert world.serves("iris") == {2: b"two"}


def test_nothing_changed_is_no_load_and_writes_nothing(world):
    watch = Watch(world)
    files = {"model.onnx": b"one", "weights": LARGE}
    assert world.service.update("iris", _package(files)).versions == (1,)
    assert (watch.keys("transfer"), watch.written, watch.loads) == ([], set(), 0)


def test_another_name_for_the_same_bytes_changes_the_record_alone(world):
    watch = Watch(world)
    files = {"model.onnx": b"one", "weights": LARGE}
    done = world.service.update("iris", _package(files, 2))
    assert done.record.mlflow_model_uri == "models:/m/2"
    assert (watch.written, watch.loads) == ({"iris/mlflow-meta.json"}, 0)
    assert world.service.get("iris").record == done.record


def test_what_the_server_does_not_serve_is_loaded_though_nothing_changed(world):
    world.server.restart()
    watch = Watch(world)
    world.service.update("iris", _package({"model.onnx": b"one", "weights": LARGE}))
    assert (watch.keys("transfer"), watch.written, watch.loads) == ([], set(), 1)
    assert world.serves("iris") == {1: b"one"}


@pytest.mark.parametrize("kind", ["version", "tree"])
def test_force_loads_again_though_nothing_changed(kind):
    package = version_package(b"one")
    if kind == "tree":
        package = tree_package({"config.pbtxt": CONFIG, "1/model.onnx": b"one"})
    world = SimulatedWorld()
    world.service.create("iris", package)
    loads, before = world.server.load_count("iris", 1), world.files("iris")
    world.service.update("iris", package)
    assert world.server.load_count("iris", 1) == loads
    watch = Watch(world)
    world.service.update("iris", package, force=True)
    assert world.server.load_count("iris", 1) == loads + 1
    assert watch.keys("transfer") == []
    assert world.files("iris") == before


def test_a_tree_replaces_only_what_changed():
    old = {
        "config.pbtxt": CONFIG,
        "1/model.onnx": b"one",
        "1/weights": LARGE,
        "1/old": b"",
        "x": b"",
    }
    world = SimulatedWorld()
    world.service.create("iris", tree_package(old))
    world.store.seed({"iris/1/__pycache__/m.pyc": b""})
    watch = Watch(world)
    weights = world.store.modified("iris/1/weights")
    world.service.update("iris", tree_package(old | {"config.pbtxt": OTHER_CONFIG}))
    assert watch.keys("transfer") == []
    world.service.update("iris", tree_package(old))
    assert watch.keys("transfer") == []
    world.service.update("iris", tree_package(old | {"1/model.onnx": b"two"}))
    assert world.store.modified("iris/1/weights") == weights
    assert world.serves("iris") == {1: b"two"}


@pytest.mark.parametrize("damage", ["lost", "garbage", "bomb", "huge", "by hand", "lies"])
def test_what_is_known_is_not_needed_and_not_trusted(world, damage):
    files = {"model.onnx": b"one", "weights": LARGE}
    match damage:
        case "lost":
            world.store.delete([DIGESTS])
        case "garbage":
            world.store.seed({DIGESTS: b'{"format": 1, "files": {"1/weights": 3}, "recent": "x"}'})
        case "bomb":
            world.store.seed({DIGESTS: b"[" * 100_000})
        case "huge":
            world.store.seed({DIGESTS: bytes(MAX_SMALL_FILE_BYTES + 1)})
        case "by hand":
            world.store.seed({"iris/1/weights": b"W" * len(LARGE)})
        case "lies":
            lie = Digests({"../../secret": Digest("t", 3, "sha256:0")}, (1, -7, 10**30))
            world.store.seed({DIGESTS: lie.encode()})
    done = world.service.update("iris", _package(files, 1, OTHER_CONFIG))
    assert done.versions == (2,)
    assert world.files("iris")["2/weights"] == LARGE
    watch = Watch(world)
    world.service.update("iris", _package(files, 1))
    assert watch.keys("transfer") == []


@pytest.mark.parametrize(
    ("keep", "kept"), [(0, {4}), (1, {3, 4}), (2, {2, 3, 4}), (9, {1, 2, 3, 4})]
)
def test_so_many_previous_versions_stay(keep, kept):
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"1", 1))
    for number in (2, 3, 4):
        world.service.update("iris", version_package(b"%d" % number, number), keep_versions=keep)
    found = {int(path.partition("/")[0]) for path in world.files("iris") if "/" in path}
    assert found == kept


def test_those_that_served_last_stay_whatever_their_numbers():
    world = SimulatedWorld()
    world.service.create("iris", version_package(b"five", 5))
    for content, number in ((b"four", 4), (b"three", 3), (b"five", 5), (b"nine", 9)):
        world.service.update("iris", version_package(content, number), keep_versions=2)
    found = {path.partition("/")[0] for path in world.files("iris") if "/" in path}
    assert found == {"3", "5", "9"}
    with pytest.raises(InvalidSettingError, match="keep_versions"):
        world.service.update("iris", version_package(b"x"), keep_versions=-1)


def test_a_failed_update_leaves_what_is_known_as_it_was(world):
    before = world.store.snapshot()
    with pytest.raises(LoadFailedError):
        world.service.update("iris", _package({"model.onnx": b"broken", "weights": LARGE}, 2))
    assert world.store.snapshot() == before


def test_fingerprints_of_equal_bytes_are_equal_and_of_others_are_not(tmp_path):
    take = Fingerprints().of
    path = tmp_path / "f"
    path.write_bytes(LARGE)
    assert take(LocalFile(path, len(LARGE))) == take(Content(LARGE)) != take(Content(b"x"))
    assert take(StoredObject("s3://b/k", 3)) is None
    assert take(StoredBlob("iris/1/m", 3)) is None
    one, same = StoredObject("s3://b/k", 3, "t"), StoredObject("s3://b/other", 3, "t")
    assert take(one) == take(same) != take(StoredObject("s3://b/k", 3, "u"))
    with pytest.raises(ModelSourceError, match="cannot read"):
        take(LocalFile(tmp_path / "none", 3))


@pytest.mark.parametrize("moment", ["transfer", "load"])
def test_a_file_that_is_written_while_it_is_deployed_is_sent_again(world, tmp_path, moment):
    """Else a model that is trained in place would stay what it was in the repository."""
    file = tmp_path / "model.onnx"
    file.write_bytes(b"trained once.")
    package = VersionPackage(
        Origin("models:/m/2", "onnx", 2), {"model.onnx": LocalFile(file, 13)}, CONFIG
    )

    def train(at: str) -> None:
        if at == moment:
            file.write_bytes(b"trained twice")

    world.new_process(lambda m: train(m.call.method) if m.done else None)
    world.server.before_call = lambda call: train(call.method)
    world.service.update("iris", package)
    world.server.before_call = None
    world.new_process()
    world.service.update("iris", package)
    assert list(world.serves("iris").values()) == [b"trained twice"]
