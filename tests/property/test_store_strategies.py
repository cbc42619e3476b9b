"""The strategies make what they promise: every tree can be put into a store as it is."""

from __future__ import annotations

from hypothesis import given

from triton_deploy_core.package import ModelPackage, TreePackage
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.testing import strategies
from triton_deploy_core.testing.memory_store import MemoryStore


@given(strategies.trees())
def test_a_tree_fits_into_a_repository(tree: dict[str, bytes]) -> None:
    store = MemoryStore()
    store.transfer([Transfer(key, Content(data)) for key, data in tree.items()], NoProgress())
    assert store.snapshot() == tree
    assert [blob.key for blob in store.list("")] == sorted(tree)
    store.delete(tree)
    assert store.snapshot() == {}


@given(strategies.trees(min_size=1, markers=False))
def test_a_tree_can_be_of_files_alone(tree: dict[str, bytes]) -> None:
    assert tree
    assert not any(key.endswith("/") for key in tree)


@given(strategies.packages())
def test_a_package_fits_into_a_repository(package: ModelPackage) -> None:
    assert package.files
    files = {f"iris/{path}": source for path, source in package.files.items()}
    MemoryStore().transfer([Transfer(*item) for item in files.items()], NoProgress())
    if isinstance(package, TreePackage):
        assert "config.pbtxt" in package.files
