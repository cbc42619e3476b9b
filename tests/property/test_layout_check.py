"""Directories of any shape: the check never fails, and what it passes can be saved and packaged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlflow_triton.flavors.packaging import FlavorInput, PackageOptions
from mlflow_triton.flavors.triton import FLAVOR
from mlflow_triton.layout_check import check_layout
from mlflow_triton.layout_check_tree import read_tree
from mlflow_triton.mlmodel import MLmodel
from mlflow_triton.model_files import DirectoryFiles
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_core.model_tree import ModelTree
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.ports.store import LocalFile

NAMES = st.sampled_from(
    ["1", "2", "10", "007", "0", "2tmp", "model.onnx", "model.py", "configs", ".x", "a b", "ü"]
)
CONFIGS = st.sampled_from(
    [
        None,
        b"",
        b"backend: ?",
        b"\xff\xfe",
        b'backend: "identity"',
        b'backend: "onnxruntime"',
        b'name: "other" backend: "python"',
        b'platform: "ensemble"',
        b'backend: "identity" version_policy { specific { versions: [2] } }',
    ]
)
TREES = st.recursive(
    st.binary(max_size=4),
    lambda children: st.dictionaries(NAMES, children, max_size=3),
    max_leaves=8,
).filter(lambda tree: isinstance(tree, dict))
Tree = dict[str, "Tree | bytes"]


@contextmanager
def _directory(tree: Tree, config: bytes | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "model"
        _write(root, tree)
        if config is not None:
            (root / "config.pbtxt").write_bytes(config)
        yield root


def _write(root: Path, tree: Tree) -> None:
    root.mkdir()
    for name, child in tree.items():
        if isinstance(child, bytes):
            (root / name).write_bytes(child)
        else:
            _write(root / name, child)


def _listing(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix() + ("/" if path.is_dir() else "")
        for path in root.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


@given(tree=TREES, config=CONFIGS)
def test_the_check_tells_problems_and_never_fails(tree: Tree, config: bytes | None) -> None:
    with _directory(tree, config) as root:
        problems = check_layout(root)
        assert problems == sorted(problems, key=str)
        assert all(problem.path and problem.message and problem.remedy for problem in problems)
        assert all("\n" not in str(problem) for problem in problems)


@given(tree=TREES, config=CONFIGS)
def test_what_passes_the_check_is_packaged_whole_and_what_fails_is_refused(
    tree: Tree, config: bytes | None
) -> None:
    with _directory(tree, config) as root:
        problems = check_layout(root)
        model = FlavorInput(
            name=DeploymentName("model"),
            files=DirectoryFiles(root.parent),
            mlmodel=MLmodel(flavors={"triton": {"data": "model"}}),
            uri="models:/model/1",
        )
        try:
            package = FLAVOR.package(model, PackageOptions())
        except InvalidPackageError:
            assert problems
            return
        lost_version = [problem for problem in problems if problem.path == "."]
        assert problems == lost_version  # an ensemble without a version gets one
        assert set(package.files) - ({"1/"} if lost_version else set()) == _listing(root)
        for path, source in package.files.items():
            if isinstance(source, LocalFile):
                assert source.path.read_bytes() == (root / path).read_bytes()


@given(tree=TREES)
def test_a_tree_knows_its_empty_directories(tree: Tree) -> None:
    with _directory(tree, None) as root:
        found, problems = read_tree(root)
        assert problems == []
        empty = {f"{path}/" for path in found.empty_directories}
        assert empty | set(found.files) == _listing(root)


@given(paths=st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=5))
def test_directories_that_are_added_have_their_parents(paths: list[str]) -> None:
    tree = ModelTree({}, frozenset()).with_directories(paths)
    assert set(paths) <= tree.directories
    for path in tree.directories:
        parent = path.rpartition("/")[0]
        assert not parent or parent in tree.directories
