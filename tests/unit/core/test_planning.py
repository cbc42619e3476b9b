"""Which version number, which files, which configuration: decided without touching anything."""

from __future__ import annotations

import pytest

from triton_deploy_core import planning
from triton_deploy_core.digests import Digests
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.holdings import Holdings
from triton_deploy_core.layout import versions
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin, TreePackage
from triton_deploy_core.plan import Commit
from triton_deploy_core.ports.config_format import Latest, Specific
from triton_deploy_core.ports.store import LocalFile, StoredObject
from triton_deploy_core.snapshot import Snapshot
from triton_deploy_core.testing.config_format import SimpleConfigFormat
from triton_deploy_core.testing.memory_store import MemoryStore
from triton_deploy_core.testing.world import tree_package, version_package

FORMAT = SimpleConfigFormat()


def _now(**files: bytes) -> Snapshot:
    store = MemoryStore({f"m/{path.replace('__', '/')}": data for path, data in files.items()})
    return Snapshot.take(store, DeploymentName("m"))


def plan(package, now, configs):
    return planning.plan(package, now, Holdings(now, Digests()), configs)


def _pinned(*versions: int) -> bytes:
    return FORMAT.with_version_policy(b'backend: "x"\n', Specific(frozenset(versions)))


def _with(*versions: int, config: bytes | None = None) -> Snapshot:
    files = {f"{version}__model.onnx": b"x" for version in versions}
    return _now(**files, **({} if config is None else {"config.pbtxt": config}))


@pytest.mark.parametrize(
    ("registry", "present", "number"),
    [
        (None, (), 1),
        (7, (), 7),
        (7, (1, 3), 7),
        (2, (2,), 3),
        (2, (2, 3, 5), 4),
        (1, (9,), 1),
    ],
)
def test_the_registrys_number_where_it_is_free_else_the_next_higher(registry, present, number):
    now = _with(*present, config=_pinned(*present) if present else None)
    assert plan(version_package(b"", registry), now, FORMAT).serves == {number}


@pytest.mark.parametrize(("registry", "number"), [(None, 10), (4, 10), (20, 20)])
def test_a_users_policy_of_the_latest_needs_the_highest_number(registry, number):
    config = b'backend: "x"'
    chosen = plan(version_package(b"", registry, user_config=config), _with(9), FORMAT)
    assert chosen.serves == {number}


@pytest.mark.parametrize(
    ("present", "registry", "number"),
    [((), 3, 3), ((), None, 2), ((3,), 3, 2), ((2, 3), 3, 2), ((2, 3), 9, 2)],
)
def test_a_users_policy_of_certain_versions_is_kept_to(present, registry, number):
    config = b'backend: "x" version_policy { specific { versions: [2, 3] } }'
    chosen = plan(version_package(b"", registry, user_config=config), _with(*present), FORMAT)
    assert chosen.serves == {number}


def test_a_version_that_serves_is_replaced_only_where_the_policy_names_no_other():
    config = b'backend: "x" version_policy { specific { versions: [2, 3] } }'
    package = version_package(b"", 3, user_config=config)
    both = _with(2, 3, config=config)
    assert (plan(package, both, FORMAT).serves, plan(package, both, FORMAT).hiding) == ({3}, None)
    hidden = plan(package, _with(1, 2, 3, config=_pinned(1)), FORMAT)
    assert (hidden.serves, hidden.hiding) == ({3}, None)
    assert hidden.garbage == {"2/model.onnx"}


@pytest.mark.parametrize(
    "policy", ["specific { }", "specific { versions: [-1] }", "latest { num_versions: 0 }"]
)
def test_a_users_policy_that_serves_nothing_is_noticed(policy):
    config = f'backend: "x" version_policy {{ {policy} }}'.encode()
    assert not plan(version_package(b"", user_config=config), _with(1), FORMAT).serves


def test_a_users_policy_may_name_version_0():
    config = b'backend: "x" version_policy { specific { versions: [0] } }'
    chosen = plan(version_package(b"", user_config=config), _with(1), FORMAT)
    assert chosen.serves == {0}
    assert set(chosen.files) == {"0/model.onnx"}


def test_a_directory_with_leading_zeros_is_no_version():
    chosen = plan(tree_package({"1/m": b"", "03/m": b"", "007": b""}), _with(), FORMAT)
    assert chosen.serves == {1}
    assert versions(["0/m", "03/m", "00/m", "10/m", "7tmp/m", "-1/m", ".1/m", "2"]) == {0, 7, 10}


@pytest.mark.parametrize(
    "path", ["../x", "a//b", "/etc/passwd", "", ".deploy/saved/1/m", ".deploy"]
)
def test_a_path_that_is_not_the_models_is_refused(path):
    with pytest.raises(InvalidPackageError, match="The model has a file"):
        plan(tree_package({"1/m": b"", path: b""}), _with(), FORMAT)
    with pytest.raises(InvalidPackageError):
        plan(version_package(b"", beside={path: b""}), _with(), FORMAT)


def test_what_comes_into_existence_is_refused_by_triton_until_it_is_complete():
    for package in (version_package(b""), tree_package({"1/m": b""})):
        chosen = plan(package, _with(), FORMAT)
        assert chosen.hiding is not None
        assert b"name:" in chosen.hiding


def test_what_is_in_the_way_of_the_new_files_is_removed():
    now = _now(**{"1__m": b"", "labels": b"", "deep__er": b"", "config.pbtxt": _pinned(1)})
    beside = {"labels/en.txt": b"", "deep": b""}
    chosen = plan(version_package(b"", 2, beside=beside), now, FORMAT)
    assert chosen.removed == {"labels", "deep/er"}
    assert chosen.garbage == frozenset()


def test_what_is_coming_is_hidden_only_where_it_would_be_seen():
    package = version_package(b"", 2)
    assert plan(package, _with(1, config=_pinned(1)), FORMAT).hiding is None
    hiding = plan(package, _with(1), FORMAT).hiding
    assert hiding is not None
    assert FORMAT.version_policy(hiding) == Specific(frozenset({1}))


def test_a_lower_number_than_the_one_that_serves_is_invisible_under_latest():
    assert plan(version_package(b"", 2), _with(5), FORMAT).hiding is None


def test_one_previous_version_is_kept_and_older_ones_go():
    chosen = plan(version_package(b"", 4), _with(1, 2, 3, config=_pinned(3)), FORMAT)
    assert chosen.garbage == {"1/model.onnx", "2/model.onnx"}


def test_files_beside_the_versions_that_are_no_longer_in_the_package_go():
    now = _now(**{"1__m": b"", "labels.txt": b"", "config.pbtxt": _pinned(1)})
    kept = plan(version_package(b"", 2, beside={"labels.txt": b"new"}), now, FORMAT)
    assert kept.garbage == frozenset()
    gone = plan(version_package(b"", 2, beside={"other.txt": b"new"}), now, FORMAT)
    assert gone.garbage == {"labels.txt"}


def test_a_users_configuration_waits_until_old_versions_are_gone_where_it_would_serve_them():
    config = b'backend: "x" version_policy { all {} }'
    chosen = plan(version_package(b"", 2, user_config=config), _with(1, config=config), FORMAT)
    assert chosen.commit.settled == config
    assert chosen.commit.config is not None
    assert FORMAT.version_policy(chosen.commit.config) == Specific(frozenset({2}))
    assert chosen.garbage == {"1/model.onnx"}


def test_a_users_configuration_that_hides_old_versions_is_written_at_once():
    chosen = plan(version_package(b"", 2, user_config=b'backend: "x"'), _with(1), FORMAT)
    assert (chosen.commit.config, chosen.commit.settles) == (b'backend: "x"', False)
    assert FORMAT.version_policy(b'backend: "x"') == Latest(1)


def test_a_tree_replaces_what_is_there_path_by_path():
    chosen = plan(tree_package({"1/model.onnx": b"y", "3/model.onnx": b"z"}), _with(1, 2), FORMAT)
    assert chosen.garbage == {"2/model.onnx"}
    assert chosen.serves == {3}
    assert chosen.commit == Commit(None, None)


def test_a_trees_configuration_is_read_from_its_file(tmp_path):
    path = tmp_path / "config.pbtxt"
    path.write_bytes(b'backend: "x" version_policy { all {} }')
    origin = Origin("u", "triton")
    files = {"config.pbtxt": LocalFile(path, 1), "1/m": LocalFile(path, 1)}
    chosen = plan(TreePackage(origin, files), _with(), FORMAT)
    assert chosen.commit.config == path.read_bytes()
    assert set(chosen.files) == {"1/m"}
    path.unlink()
    with pytest.raises(InvalidPackageError, match="can't be read"):
        plan(TreePackage(origin, files), _with(), FORMAT)
    with pytest.raises(InvalidPackageError, match="not at hand"):
        plan(TreePackage(origin, {"config.pbtxt": StoredObject("s3://b/k", 1)}), _with(), FORMAT)
