"""TorchScript on the local server's backend: what it takes, what it refuses, what it answers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.server_pytorch import require_pytorch

A, B = [[1.0, 1.0], [1.0, 1.0]], [[2.0, 2.0], [2.0, 2.0]]
LESS, MORE = [[-1.0, -1.0], [-1.0, -1.0]], A


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the backend answered to each case, in the server's own Python."""
    environment, packages = require_pytorch()
    done = subprocess.run(
        [
            str(environment.python),
            str(Path(__file__).with_name("pytorch_cases.py")),
            str(environment.backends / "pytorch"),
        ],
        env=environment.variables(os.environ) | {"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


def test_inputs_go_to_arguments_by_name_by_number_or_in_order(answers):
    assert answers["by name"] == {"OUTPUT__0": LESS}
    assert answers["by number"] == {"OUTPUT__0": MORE}
    assert answers["in order"] == {"OUTPUT__0": LESS}
    assert answers["control"] == {"OUTPUT__0": LESS}
    assert answers["dictionary"] == {"p": B, "q": [[4.0, 4.0], [4.0, 4.0]]}
    assert answers["text"] == {"y": ["A", "ä"]}


def test_modes_are_those_of_the_parameters(answers):
    assert answers["modes"] == {"y": [False, True]}
    assert answers["no inference mode"] == {"y": [False, False]}
    assert answers["settings"] == {"OUTPUT__0": LESS}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no model", "failed to load model 'm': "),
        ("not numbered", "the inputs x__0, x__2 are not numbered from 0 to 1"),
        ("too few", "unable to load model 'm', configuration expects 1 inputs, model provides 2"),
        ("no output", "model configuration must contain at least one output, none were specified."),
        ("type", "unsupported datatype TYPE_UINT32 for input 'b' for model 'm'"),
        ("text of two dimensions", "Triton only supports 1 dimensional List of String as input"),
        ("flag", "An input of type 'bool' was detected in the model."),
        ("dictionaries", "Multiple inputs of kind DictType were detected."),
        ("no number", "failed to convert 'many' to integral number"),
        ("no boolean", "failed to convert 'yes' to boolean"),
    ],
)
def test_what_is_refused_at_load(answers, case, message):
    assert message in answers[case]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("other type", "expects datatype TYPE_FP64 for output 'y', model provides TYPE_FP32"),
        ("no such output", "The output y__1 in the model configuration refers to an output index"),
        ("list", "PyTorch execute failure: output must be of type Tensor or List[str], received"),
        ("named", "PyTorch execute failure: output must be of type Tensor, List[str] or Tuple"),
        ("scalar", "output 'OUTPUT__0' is a scalar which is not supported."),
        ("fails", "PyTorch execute failure: "),
        ("fails", "no such sum"),
    ],
)
def test_what_a_request_is_told(answers, case, message):
    assert message in answers[case]
