"""The committed example is what its script makes, and does what it says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from mlflow_triton.layout_check import check_layout

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_example", EXAMPLES / "make_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_what_the_script_makes(script: ModuleType, tmp_path: Path) -> None:
    script.main(["--output", str(tmp_path)])

    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) == 4
    for name, path in made.items():
        assert path.read_bytes() == (EXAMPLES / name).read_bytes(), name


@pytest.mark.parametrize("variant", [1, 2])
def test_the_model_gives_the_expected_output(script: ModuleType, variant: int) -> None:
    inputs = {
        name: np.asarray(rows, dtype=np.float32)
        for name, rows in script.request()["inputs"].items()
    }
    outputs = ReferenceEvaluator(script.build_model(variant)).run(None, inputs)

    expected = script.answer(variant)["outputs"]
    for name, output in zip(("OUTPUT0", "OUTPUT1"), outputs, strict=True):
        assert output.dtype == np.int32
        assert output.tolist() == expected[name]


def test_the_second_variant_can_be_told_from_the_first(script: ModuleType) -> None:
    assert script.answer(1) != script.answer(2)
    with pytest.raises(ValueError, match="no variant 3"):
        script.build_model(3)


def test_the_example_is_fit_for_triton() -> None:
    assert check_layout(EXAMPLES / "onnx_float32_int32_int32") == []


def test_the_model_can_be_read_by_old_versions_of_onnxruntime() -> None:
    model = onnx.load(str(EXAMPLES / "onnx_float32_int32_int32" / "1" / "model.onnx"))
    assert model.ir_version <= 9
    assert model.opset_import[0].version <= 19


def test_the_expected_output_has_the_form_of_the_command_lines_output() -> None:
    document = json.loads((EXAMPLES / "expected_output.json").read_text(encoding="utf-8"))
    assert set(document["outputs"]) == {"OUTPUT0", "OUTPUT1"}
