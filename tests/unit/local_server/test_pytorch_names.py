"""Which argument an input is, and which result an output, in the local server's PyTorch backend."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from triton_local_server import backend_directory


@pytest.fixture(scope="module")
def names() -> ModuleType:
    """The backend's module, which is in no package."""
    root = backend_directory._OWN_BACKENDS
    spec = importlib.util.spec_from_file_location("names", root / "pytorch/tensor_names.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (["mask", "ids"], {"mask": 1, "ids": 0}),
        (["INPUT__1", "INPUT__0"], {"INPUT__1": 1, "INPUT__0": 0}),
        (["b", "a"], {"b": 0, "a": 1}),
        (["mask", "other"], {"mask": 0, "other": 1}),
        (["x__0", "mask"], {"x__0": 0, "mask": 1}),
        (["x__y", "z__1"], {"x__y": 0, "z__1": 1}),
    ],
)
def test_names_of_arguments_then_numbers_then_order(names, given, places):
    assert names.input_places(given, ["ids", "mask"]) == places


def test_outputs_have_numbers_or_their_order(names):
    assert names.output_places(["OUTPUT__2", "OUTPUT__0"]) == {"OUTPUT__2": 2, "OUTPUT__0": 0}
    assert names.output_places(["logits", "OUTPUT__0"]) == {"logits": 0, "OUTPUT__0": 1}
    assert names.is_permutation([1, 0])
    assert not names.is_permutation([0, 2])
    assert not names.is_permutation([0, 0])
