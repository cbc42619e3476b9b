#!/usr/bin/env python3
"""Make the example: a small ONNX model in Triton's layout, a request for it and its answer.

The model takes two float32 inputs of shape ``[-1, 16]``, INPUT0 and INPUT1, and gives two int32
outputs of the same shape. In version 1, OUTPUT0 is their sum and OUTPUT1 is INPUT0 - INPUT1. In
version 2, which serves to show an update, OUTPUT1 is INPUT1 - INPUT0.

What this script writes is committed beside it::

    python examples/make_example.py                        # the committed files, again
    python examples/make_example.py --variant 2 --output DIR   # version 2 in a directory of yours
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

NAME = "onnx_float32_int32_int32"
VARIANTS = (1, 2)

# Read by every onnxruntime from 1.15 on, and by every Triton since 22.12.
_IR_VERSION = 8
_OPSET = 13
_WIDTH = 16

# No `name`: the model can be deployed under any. No `version_policy`: Triton's own is the latest.
_CONFIG = """\
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  {
    name: "INPUT0"
    data_type: TYPE_FP32
    dims: [ 16 ]
  },
  {
    name: "INPUT1"
    data_type: TYPE_FP32
    dims: [ 16 ]
  }
]
output [
  {
    name: "OUTPUT0"
    data_type: TYPE_INT32
    dims: [ 16 ]
  },
  {
    name: "OUTPUT1"
    data_type: TYPE_INT32
    dims: [ 16 ]
  }
]
"""

_INPUT0 = [float(number) for number in range(1, _WIDTH + 1)]
_INPUT1 = [1.0] * _WIDTH


def build_model(variant: int = 1) -> onnx.ModelProto:
    """Return the model.

    Args:
        variant: 1, or 2 for the one whose OUTPUT1 has the other sign.

    Raises:
        ValueError: there is no such variant.
    """
    if variant not in VARIANTS:
        message = f"there is no variant {variant}: choose one of {VARIANTS}"
        raise ValueError(message)
    minuend, subtrahend = ("INPUT0", "INPUT1") if variant == 1 else ("INPUT1", "INPUT0")
    graph = helper.make_graph(
        nodes=[
            helper.make_node("Add", ["INPUT0", "INPUT1"], ["sum"], name="add"),
            helper.make_node("Sub", [minuend, subtrahend], ["difference"], name="sub"),
            helper.make_node("Cast", ["sum"], ["OUTPUT0"], name="sum_int32", to=TensorProto.INT32),
            helper.make_node(
                "Cast", ["difference"], ["OUTPUT1"], name="difference_int32", to=TensorProto.INT32
            ),
        ],
        name=NAME,
        inputs=[_tensor("INPUT0", TensorProto.FLOAT), _tensor("INPUT1", TensorProto.FLOAT)],
        outputs=[_tensor("OUTPUT0", TensorProto.INT32), _tensor("OUTPUT1", TensorProto.INT32)],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="make_example.py",
        model_version=variant,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _tensor(name: str, element_type: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element_type, ["batch", _WIDTH])


def request() -> dict[str, dict[str, list[list[float]]]]:
    """Return what ``mlflow deployments predict --input-path`` takes: a batch of one."""
    return {"inputs": {"INPUT0": [_INPUT0], "INPUT1": [_INPUT1]}}


def answer(variant: int = 1) -> dict[str, dict[str, list[list[int]]]]:
    """Return what ``mlflow deployments predict --output-path`` writes for `request`."""
    sign = 1 if variant == 1 else -1
    pairs = list(zip(_INPUT0, _INPUT1, strict=True))
    return {
        "outputs": {
            "OUTPUT0": [[int(first + second) for first, second in pairs]],
            "OUTPUT1": [[sign * int(first - second) for first, second in pairs]],
        }
    }


def write_triton_directory(directory: Path, variant: int = 1) -> Path:
    """Write the model in Triton's layout to `directory`, which is made, and return it."""
    version = directory / "1"
    version.mkdir(parents=True, exist_ok=True)
    content = build_model(variant).SerializeToString(deterministic=True)
    (version / "model.onnx").write_bytes(content)
    (directory / "config.pbtxt").write_text(_CONFIG, encoding="utf-8")
    return directory


def write_example(directory: Path, variant: int = 1) -> None:
    """Write the model, ``input.json`` and ``expected_output.json`` to `directory`."""
    write_triton_directory(directory / NAME, variant)
    _write_json(directory / "input.json", request())
    _write_json(directory / "expected_output.json", answer(variant))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).resolve().parent, help="directory to write to"
    )
    parser.add_argument(
        "--variant", type=int, choices=VARIANTS, default=1, help="2: OUTPUT1 has the other sign"
    )
    options = parser.parse_args(arguments)
    write_example(options.output, options.variant)
    print(f"wrote {options.output / NAME}, input.json and expected_output.json")


if __name__ == "__main__":
    main()
