"""Hypothesis strategies for the core's values. Requires the extra ``testing``."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from triton_deploy_core.keys import enclosing
from triton_deploy_core.names import MAX_NAME_BYTES, DeploymentName
from triton_deploy_core.package import ModelPackage, Origin, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content

NAME_CHARACTERS = string.ascii_letters + string.digits + "._~-"
"""The characters of a deployment's name."""


def names(max_size: int = MAX_NAME_BYTES) -> st.SearchStrategy[DeploymentName]:
    """Every name that a deployment can have."""
    texts = st.text(NAME_CHARACTERS, min_size=1, max_size=max_size)
    return texts.filter(lambda text: text not in {".", ".."}).map(DeploymentName)


def invalid_names() -> st.SearchStrategy[str]:
    """Texts that no deployment can have as its name."""
    allowed = st.text(NAME_CHARACTERS, max_size=20)
    foreign = st.characters().filter(lambda character: character not in NAME_CHARACTERS)
    return st.one_of(
        st.sampled_from(["", ".", "..", "/", "../iris", "iris/..", "iris/", " ", "\n", "iris\n"]),
        st.text(" \t\r\n", max_size=5),
        st.tuples(allowed, foreign, allowed).map("".join),
        st.text(NAME_CHARACTERS, min_size=MAX_NAME_BYTES + 1, max_size=MAX_NAME_BYTES + 40),
    )


def segments() -> st.SearchStrategy[str]:
    """Parts of keys between two slashes, such as every kind of repository can have."""
    return names(max_size=8).map(str)


def keys(max_depth: int = 4) -> st.SearchStrategy[str]:
    """Keys of files."""
    return st.lists(segments(), min_size=1, max_size=max_depth).map("/".join)


def trees(
    min_size: int = 0, max_size: int = 8, *, markers: bool = True
) -> st.SearchStrategy[dict[str, bytes]]:
    """Files by key as they can be together: no file is where another needs a directory.

    Args:
        min_size: the fewest files.
        max_size: the most of them.
        markers: whether empty directories are among them.
    """
    files = st.tuples(keys(), st.binary(max_size=16))
    directories = st.tuples(keys(3).map("{}/".format), st.just(b""))
    entry = st.one_of(files, files, directories) if markers else files
    trees = st.lists(entry, min_size=min_size, max_size=max_size).map(_that_fit)
    return trees.filter(lambda tree: len(tree) >= min_size)


def versions() -> st.SearchStrategy[int]:
    """Triton's version numbers, small ones more often."""
    return st.one_of(st.integers(1, 12), st.integers(1, 2**31 - 1))


def origins() -> st.SearchStrategy[Origin]:
    """Where a model may have come from."""
    return st.builds(
        Origin,
        model_uri=names(12).map("models:/{}/1".format),
        flavor=st.sampled_from(["onnx", "triton"]),
        registry_version=st.none() | versions(),
    )


def version_packages() -> st.SearchStrategy[VersionPackage]:
    """Packages whose version's number is the deployment's to choose."""
    return st.builds(
        VersionPackage,
        origin=origins(),
        files=st.binary(max_size=64).map(lambda data: {"model.onnx": Content(data)}),
        config=st.just(b'backend: "onnxruntime"\nmax_batch_size: 0\n'),
        beside=st.sampled_from([{}, {"labels.txt": Content(b"one\ntwo\n")}]),
    )


def tree_packages() -> st.SearchStrategy[TreePackage]:
    """Packages that their user laid out: one version or several, of which some may be empty."""
    content = st.binary(max_size=64)
    files = st.dictionaries(versions(), st.none() | content, min_size=1, max_size=3)
    return st.builds(TreePackage, origin=origins(), files=files.map(_laid_out))


def packages() -> st.SearchStrategy[ModelPackage]:
    """Packages of both kinds."""
    return st.one_of(version_packages(), tree_packages())


def _that_fit(entries: list[tuple[str, bytes]]) -> dict[str, bytes]:
    tree: dict[str, bytes] = {}
    for key, data in entries:
        if not blocked(key, tree):
            tree = {other: old for other, old in tree.items() if other not in set(enclosing(key))}
            tree[key] = data
    return tree


def blocked(key: str, tree: dict[str, bytes]) -> bool:
    """Tell whether a tree has no place for a key: a file is in the way, or files are below it."""
    path = key.removesuffix("/")
    in_the_way = {directory.removesuffix("/") for directory in enclosing(key)}
    if key.endswith("/"):
        in_the_way.add(path)
    below = any(other.startswith(path + "/") and other != key for other in tree)
    return below or not in_the_way.isdisjoint(tree)


def _laid_out(files: dict[int, bytes | None]) -> dict[str, Content]:
    tree = {"config.pbtxt": Content(b'backend: "onnxruntime"\n')}
    for version, data in files.items():
        key = f"{version}/" if data is None else f"{version}/model.onnx"
        tree[key] = Content(data or b"")
    return tree
